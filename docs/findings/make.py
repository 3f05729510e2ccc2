"""The findings: small tables of the studies in params/findings/, and the page that quotes them.

    python docs/findings/make.py repeated  # how far outputs/findings-*/ are from the tables below
    python docs/findings/make.py tables    # from outputs/findings-*/ to docs/findings/<study>/
    python docs/findings/make.py page      # docs/findings.md, from findings.md.j2 and these tables

Every number of the page is looked up in a table (`effect`, `row`, ...), none is typed; the test
tests/test_findings.py makes the page again and reads its prose for numbers that were.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from rag_study.analysis.effects import of_recipes
from rag_study.analysis.pairing import ALL_SEEDS, FEW_SHOT
from rag_study.common import files, run_folder
from rag_study.common.paths import PROJECT_ROOT
from rag_study.common.wording import number, signed
from rag_study.evaluation.metrics import METRICS as ALL
from rag_study.report import plots
from rag_study.report.plots.captions import estimate
from rag_study.study.training_groups import Training

HERE = Path(__file__).resolve().parent
PAGE = "findings.md.j2"
STATE = [
    *("dataset", "method", "train_format", "train_size", "variant", "seed", "prompting"),
    *("retriever", "chunk_size", "top_k", "context", "metric", "judge"),
]
# Of each table what a reader may want to look up, and what the page quotes.
COLUMNS = {
    "comparisons": [
        *STATE,
        *("baseline", "n_questions", "n_clusters", "n_seeds", "mean_base", "mean_tuned"),
        *("difference", "ci_low", "ci_high", "p_value", "p_holm", "primary", "margin", "audit"),
        "verdict",
    ],
    "summary": [*STATE, "mean", "ci_low", "ci_high", "n_questions", "n_clusters"],
    "interactions": [
        *STATE,
        *("n_questions", "difference_none", "difference_context", "interaction"),
        *("ci_low", "ci_high", "p_value"),
    ],
    "trends": None,
    "claims": [
        *("claim", "paper", "answer", "judge", "metric", "estimate", "ci_low", "ci_high"),
        *("n_states", "n_questions", "n_clusters"),
    ],
    "audit": None,
    "judge_checks": ["judge", "dataset", "valid", "reason", "auc", "auc_low", "auc_high", "n"],
    "costs": None,
    "answer_sources": [*STATE[:7], "answer_source", "written", "gold", "words_learned"],
    "decisions": [
        *STATE[:5],
        *("decision", "cause", "cut_base", "cut_tuned", "right_base", "right_tuned"),
        "right_questions",
    ],
    "slices": [
        *(*STATE, "slicing", "slice", "n_questions", "mean_base", "mean_tuned"),
        *("difference", "ci_low", "ci_high", "rest", "against_rest", "against_rest_low"),
        *("against_rest_high", "p_fdr", "finding"),
    ],
}  # fmt: skip
QUOTED = (
    *("judge_accuracy", "judge_completeness", "answer_recall", "key_point_recall"),
    *("exact_match", "token_f1", "answer_length", "refusal_rate"),
    *("general_text_nll", "knowledge_margin", "knowledge_accuracy", "instruction_following"),
)  # fmt: skip
REPEATED = ("difference", "verdict")
SLICED = ("known before training", "kind of answer")  # of the ways to divide the questions
DRAWN = ("judge_accuracy", "answer_recall", "exact_match", "answer_length")
# Numbers that the prose may say: intervals, the model, COVID-19, the judge's scale, QLoRA's bits.
SAID = {"90", "95", "135", "19", "1", "5", "4"}
TEXTS = (
    *("variant", "judge", "retriever", "verdict", "audit", "reason", "metric", "baseline"),
    *("slicing", "slice", "finding", "verdict_first", "verdict_again"),
)


def made() -> Iterator[tuple[Path, Path]]:
    """Of every study of params/findings/ that has run: its outputs, and its folder here."""
    for file in sorted((PROJECT_ROOT / "params" / "findings").glob("*.yaml")):
        slug = files.read_yaml(file)["name"]
        if (run_folder.study_dir(slug) / "comparisons.parquet").exists():
            yield run_folder.study_dir(slug), HERE / file.stem
        else:
            print(f"{slug}: no tables yet")


def repeat() -> None:
    """Lay every study that has run beside its published table: <study>/repeated.csv."""
    keys = [*STATE, "baseline"]
    for outputs, folder in made():
        if not (folder / "comparisons.csv").exists():
            continue
        first = table(folder.name, "comparisons")
        again = files.read_parquet(outputs / "comparisons.parquet").round(4)
        both = first.merge(again, on=keys, suffixes=("_first", "_again"))
        shown = [
            f"{name}_{run}" for name in ("difference", "verdict") for run in ("first", "again")
        ]
        both[[*keys, *shown]].to_csv(folder / "repeated.csv", index=False)
        table.cache_clear()
        print(f"{folder.name}: {repeated(folder.name)}")


def collect() -> None:
    """Copy the tables of every study of params/findings/ that has some, in small."""
    for outputs, folder in made():
        folder.mkdir(exist_ok=True)
        for name, columns in COLUMNS.items():
            found = files.read_parquet(outputs / f"{name}.parquet")
            if "source" in found:
                found = found[found["source"] == "together"]
            if "metric" in found and name not in ("claims", "decisions"):
                found = found[found["metric"].isin(QUOTED)]
            if "slicing" in found:
                found = found[found["slicing"].isin(SLICED)]
                if found.empty:
                    continue
            found = found[columns or list(found)].drop_duplicates()
            found.round(4).to_csv(folder / f"{name}.csv", index=False)
        if f"findings/{folder.name}/effects.png" in (HERE / PAGE).read_text():
            _draw(files.read_parquet(outputs / "comparisons.parquet"), folder)
        print(f"{outputs.name}: {folder.relative_to(PROJECT_ROOT)}")


def _draw(comparisons: pd.DataFrame, folder: Path) -> None:
    """One figure of a study: a few metrics, with retrieved passages."""
    shown = (comparisons["context"] == "retrieved") & comparisons["metric"].isin(DRAWN)
    figure = plots.effects_forest(of_recipes(comparisons[shown]))
    figure.savefig(folder / "effects.png", dpi=110)


@lru_cache
def table(study: str, name: str) -> pd.DataFrame:
    types = dict.fromkeys(TEXTS, str)
    return pd.read_csv(HERE / study / f"{name}.csv", dtype=types).fillna(dict.fromkeys(TEXTS, ""))


def rows(study: str, name: str, **wanted: Any) -> pd.DataFrame:
    """The rows of a table with these values."""
    found = table(study, name)
    for column, value in wanted.items():
        found = found[found[column] == value]
    return found


def row(study: str, name: str, **wanted: Any) -> dict[str, Any]:
    """The one row with these values. Raises LookupError when there is none, or several."""
    found = rows(study, name, **wanted)
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows of {study}/{name}.csv have {wanted}, not one")
    return found.iloc[0].to_dict()


def overall(study: str) -> int:
    """The `seed` of a study's rows about a recipe: of all its trainings where it has several."""
    return ALL_SEEDS if (table(study, "comparisons")["seed"] == ALL_SEEDS).any() else 0


def several(study: str) -> bool:
    """Whether a study made each training more than once."""
    return overall(study) == ALL_SEEDS


def effect(study: str, **wanted: Any) -> dict[str, Any]:
    """A row of `comparisons`; what is not said is LoRA, closed-book, retrieved passages, all
    trainings of the recipe together."""
    usual = {"method": "lora", "train_format": "closed_book", "context": "retrieved"}
    usual |= {"prompting": "default", "baseline": "default", "variant": ""}
    usual["seed"] = overall(study) if _by_seed(wanted) else 0
    return row(study, "comparisons", **usual | wanted)


def _by_seed(wanted: dict[str, Any]) -> bool:
    """Whether a state depends on the seed: a training, or examples in a prompt."""
    return wanted.get("method") != "none" or wanted.get("prompting") == FEW_SHOT


def each(study: str, **wanted: Any) -> str:
    """The differences of a recipe's trainings, one seed after another: "−0.72, −0.54, −0.73"."""
    if not several(study) or not _by_seed(wanted):
        return ""
    seeds = sorted({*table(study, "comparisons")["seed"]} - {ALL_SEEDS})
    return ", ".join(signed(effect(study, seed=seed, **wanted)["difference"]) for seed in seeds)


def repeated(study: str) -> dict[str, Any]:
    """What a second run of a study changed, from `repeated.csv`: how many differences there are,
    how many came out the same in four digits, the largest change by metric, how many verdicts
    there are, and how many of them became others."""
    rows = table(study, "repeated")
    change = (rows["difference_again"] - rows["difference_first"]).abs()
    largest = change.groupby(rows["metric"]).max()
    declared = int((rows["verdict_first"] != "").sum())
    others = int((rows["verdict_first"] != rows["verdict_again"]).sum())
    same = int((change == 0).sum())
    counts = {"rows": len(rows), "same": same, "declared": declared, "verdicts": others}
    return counts | dict(largest)


def cost(study: str, state: dict[str, Any]) -> dict[str, Any]:
    """The row of `costs` of a state."""
    usual = {"method": "lora", "train_format": "closed_book", "seed": 0}
    return row(study, "costs", **usual | state)


def trend(study: str, **wanted: Any) -> str:
    """What the smallest to the largest train size gained, with its interval."""
    found = row(study, "trends", seed=overall(study), **wanted)
    ends = {"ci_low": found["gain_low"], "ci_high": found["gain_high"]}
    return change({"estimate": found["gain"], **ends})


def interaction(study: str, **wanted: Any) -> str:
    """How much larger the change with passages is than that without any, with its interval."""
    usual = {"method": "lora", "train_format": "closed_book", "context": "retrieved"}
    found = row(study, "interactions", seed=overall(study), **usual | wanted)
    return change({**found, "estimate": found["interaction"]})


def sliced(study: str, **wanted: Any) -> dict[str, Any]:
    """A row of `slices`; what is not said is as in `effect`."""
    usual = {"method": "lora", "train_format": "closed_book", "context": "retrieved"}
    return row(study, "slices", prompting="default", seed=overall(study), **usual | wanted)


def verdict(study: str, **wanted: Any) -> str:
    """The verdicts of a state's declared comparisons in words, by metric where they differ."""
    usual = {"method": "lora", "train_format": "closed_book", "prompting": "default"}
    usual["seed"] = overall(study)
    declared = rows(study, "comparisons", primary=True, **usual | wanted)
    said = dict(zip(declared["metric"], declared["verdict"], strict=True))
    if len({*said.values()}) <= 1:
        return "".join({*said.values()}) or "not declared"
    return ", ".join(f"{ALL.in_text(name)}: {words}" for name, words in said.items())


def decided_by(study: str) -> str:
    """The metrics of the declared comparisons, in words."""
    names = rows(study, "comparisons", primary=True)["metric"].unique()
    return " and ".join(ALL.in_text(name) for name in names)


def change(found: dict[str, Any]) -> str:
    """A difference (or an estimate) with its interval, in words: "−0.22 (−0.58 to +0.12)"."""
    name = "difference" if "difference" in found else "estimate"
    return estimate(found, name, write=_with_sign)


def _with_sign(value: float) -> str:
    """As `signed`, with a digit more where two would hide on which side of zero it lies."""
    if 0.0005 <= abs(value) < 0.005:
        return f"{value:+.3f}".replace("-", "−")
    return signed(value)


def published() -> list[dict[str, str]]:
    """What others found, and what is found here, in words."""
    return files.read_yaml(HERE / "published.yaml")


def studies() -> list[dict[str, Any]]:
    """The studies that have tables, for the list of them."""
    listed = []
    for folder in sorted(folder for folder in HERE.iterdir() if folder.is_dir()):
        if not (folder / "comparisons.csv").exists():
            continue
        compared, checks = table(folder.name, "comparisons"), table(folder.name, "judge_checks")
        check, data = checks.iloc[0], compared["dataset"].unique()  # on its worst data set
        listed.append(
            {
                "name": folder.name,
                "data": ", ".join(data),
                "questions": int(compared["n_questions"][compared["primary"]].max()),
                "states": len(compared[[*STATE[1:5], "prompting"]].drop_duplicates()),
                "seeds": compared["seed"][compared["seed"] != ALL_SEEDS].nunique(),
                "judge": f"on {check['dataset']} " * (len(data) > 1) + _checked(check),
            }
        )
    return listed


def _checked(check: pd.Series) -> str:
    """What a judge's check found, in words."""
    if not check["valid"]:
        return f"failed {failing(check['reason'])}"
    found, least = (f"{100 * check[name]:.0f} %" for name in ("auc", "auc_low"))
    return (
        f"passed: it put the right answer above another question's in {found} (at least {least}) "
        f"of {check['n']} pairs"
    )


def failing(reason: str) -> str:
    """What a judge's check failed on first, by criterion, of all that it says."""
    found = re.findall(r"(\w+): tells(?:(?!: tells).)*?; fails on (.*?)(?:;|$)", reason)
    return "; ".join(f"in {criterion} on {what}" for criterion, what in found)


def general(metric: str) -> str:
    """How many general questions or texts a metric of what lies outside is about, of all six
    trainings on Natural Questions."""
    numbers = rows("natural_questions", "comparisons", metric=metric)["n_questions"].astype(int)
    return " or ".join(map(str, sorted({*numbers})))


def page() -> str:
    """The text of docs/findings.md."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "number": number,
        "signed": signed,
        "change": change,
        "thousands": lambda number: f"{number:,}",
        "percent": lambda share: f"{100 * share:.0f} %",
    }
    helpers = {"effect": effect, "row": row, "rows": rows, "verdict": verdict}
    helpers |= {"cost": cost, "trend": trend, "failing": failing, "general": general}
    helpers |= {"recipe": Training(), "each": each, "repeated": repeated}
    helpers |= {"interaction": interaction, "several": several, "sliced": sliced}
    helpers |= {"decided_by": decided_by, "published": published, "studies": studies}
    return environment.get_template(PAGE).render(**helpers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["repeated", "tables", "page"])
    what = parser.parse_args().what
    if what == "repeated":
        repeat()
    elif what == "tables":
        collect()
    else:
        files.write_text(HERE.parent / "findings.md", page())


if __name__ == "__main__":
    main()
