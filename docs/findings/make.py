"""The findings: small tables of the studies in params/findings/, and the page that quotes them.

    python docs/findings/make.py tables    # from outputs/findings-*/ to docs/findings/<study>/
    python docs/findings/make.py page      # docs/findings.md, from findings.md.j2 and these tables

Every number of the page is looked up in a table (`effect`, `row`, ...), none is typed; the test
tests/test_findings.py makes the page again and reads its prose for numbers that were.
"""

from __future__ import annotations

import argparse
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

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
}  # fmt: skip
QUOTED = (
    *("judge_accuracy", "judge_completeness", "answer_recall", "key_point_recall"),
    *("exact_match", "token_f1", "answer_length", "refusal_rate"),
    *("general_text_nll", "knowledge_margin", "knowledge_accuracy", "instruction_following"),
)  # fmt: skip
DRAWN = ("judge_accuracy", "answer_recall", "exact_match", "answer_length")
# Numbers that the prose may say: intervals, the model, COVID-19, the judge's scale, QLoRA's bits.
SAID = {"90", "95", "135", "19", "1", "5", "4"}
TEXTS = ("variant", "judge", "retriever", "verdict", "audit", "reason", "metric", "baseline")


def collect() -> None:
    """Copy the tables of every study of params/findings/ that has some, in small."""
    for file in sorted((PROJECT_ROOT / "params" / "findings").glob("*.yaml")):
        slug = files.read_yaml(file)["name"]
        made = run_folder.study_dir(slug)
        if not (made / "comparisons.parquet").exists():
            print(f"{slug}: no tables yet")
            continue
        folder = HERE / file.stem
        folder.mkdir(exist_ok=True)
        for name, columns in COLUMNS.items():
            table = files.read_parquet(made / f"{name}.parquet")
            if "metric" in table and name not in ("claims", "decisions"):
                table = table[table["metric"].isin(QUOTED)]
            table = table[columns or list(table)].drop_duplicates()
            table.round(4).to_csv(folder / f"{name}.csv", index=False)
        if f"findings/{file.stem}/effects.png" in (HERE / PAGE).read_text():
            _draw(files.read_parquet(made / "comparisons.parquet"), folder)
        print(f"{slug}: {folder.relative_to(PROJECT_ROOT)}")


def _draw(comparisons: pd.DataFrame, folder: Path) -> None:
    """One figure of a study: a few metrics, with retrieved passages."""
    shown = (comparisons["context"] == "retrieved") & comparisons["metric"].isin(DRAWN)
    figure = plots.effects_forest(comparisons[shown])
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


def effect(study: str, **wanted: Any) -> dict[str, Any]:
    """A row of `comparisons`; what is not said is LoRA, closed-book, retrieved passages."""
    usual = {"method": "lora", "train_format": "closed_book", "context": "retrieved"}
    usual |= {"prompting": "default", "baseline": "default", "variant": "", "seed": 0}
    return row(study, "comparisons", **usual | wanted)


def cost(study: str, state: dict[str, Any]) -> dict[str, Any]:
    """The row of `costs` of a state."""
    usual = {"method": "lora", "train_format": "closed_book", "seed": 0}
    return row(study, "costs", **usual | state)


def trend(study: str, **wanted: Any) -> str:
    """What the smallest to the largest train size gained, with its interval."""
    found = row(study, "trends", seed=0, **wanted)
    ends = {"ci_low": found["gain_low"], "ci_high": found["gain_high"]}
    return change({"estimate": found["gain"], **ends})


def verdict(study: str, **wanted: Any) -> str:
    """The verdicts of a state's declared comparisons in words, by metric where they differ."""
    usual = {"method": "lora", "train_format": "closed_book", "prompting": "default", "seed": 0}
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
                "states": len(compared.loc[compared["seed"] >= 0, STATE[1:7]].drop_duplicates()),
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
    helpers |= {"recipe": Training()}
    helpers |= {"decided_by": decided_by, "published": published, "studies": studies}
    return environment.get_template(PAGE).render(**helpers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tables", "page"])
    if parser.parse_args().what == "tables":
        collect()
    else:
        files.write_text(HERE.parent / "findings.md", page())


if __name__ == "__main__":
    main()
