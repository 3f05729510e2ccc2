"""Take what a study trained out of it: a folder that transformers, PEFT and vLLM load.

It holds the adapter or, merged, the whole model, and a model card with what the study found.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rag_study.analysis import run_names, states
from rag_study.analysis.pairing import DEFAULT
from rag_study.analysis.verdicts import verdict_words
from rag_study.common import files, run_folder, wording
from rag_study.common.errors import StudyError
from rag_study.common.shown import markdown, markdown_code
from rag_study.data.registry import OWN
from rag_study.evaluation.metrics import METRICS, Metrics
from rag_study.models import architectures, loading, names, prompts
from rag_study.report import markup
from rag_study.study import plan, study_tables
from rag_study.study.merge import load_studies
from rag_study.training.recipe import BY_MODEL, GOLD, IN_PLACE, SELF

# What `vllm serve --max-lora-rank` takes (vllm/config/lora.py); an adapter's own may be lower.
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# What vllm/lora/peft_helper.py refuses or does not read.
_NOT_IN_VLLM = (
    "use_dora",
    "modules_to_save",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
)
_IDENTIFYING = ("model", "method", "train_format", "train_size", "seed")
# Parameters that are no hyperparameters, or are places on this machine.
_NOT_LISTED = {"sequence", "answer_source", *_IDENTIFYING}
_WEIGHTS = "adapter_model.safetensors"


def findings_of(run_id: str) -> list[dict[str, Any]]:
    """What the studies in the outputs folder found about a training run, at its end and in full.

    Where several have it, the one that was compared last speaks.
    """
    made = run_folder.outputs_dir().glob(f"*/{study_tables.MADE_BY_FILE}")
    for file in sorted(made, key=lambda file: -file.stat().st_mtime):
        comparison_id = file.read_text(encoding="utf-8").strip()
        compared = run_folder.RunFolder(comparison_id).path / "params.yaml"
        try:
            parameters = files.read_yaml(compared)
            study_files = [parameters["study_file"], *parameters.get("others", [])]
            study = load_studies(study_files)
            runs = plan.comparison(study).upstream
        except (StudyError, OSError):
            continue  # its study file has changed or is gone
        variants = run_names.variants_of(runs, study)
        for run in runs:
            answered = run.needs("generate_answers")
            trained = answered.needs("fine_tune") if answered else None
            if (
                trained is not None
                and trained.run_id == run_id
                and (run.point.training.strength, run.point.training.checkpoint) == (1, 1)
            ):
                with study_tables.reading(file.parent):
                    comparisons = files.read_parquet(file.parent / "comparisons.parquet")
                label = run_names.label_of(run, study)
                state = run_names.columns_of(run)
                return collect_findings(
                    comparisons, state, label, variants[run.run_id], study.metrics
                )
    return []


def collect_findings(
    comparisons: pd.DataFrame,
    params: Mapping[str, Any],
    dataset: str,
    variant: str = "",
    metrics: Metrics = METRICS,
) -> list[dict[str, Any]]:
    """The rows of a study's `comparisons` table that are about one training run, verdicts first.

    `params` says what was trained how, `dataset` is the data set's label in that study, and
    `variant` what the table says there (a table without that column has only one). Each row
    also has its `measure`, the metric's name inside a sentence.
    """
    wanted = {"dataset": dataset, "variant": variant} | {key: params[key] for key in _IDENTIFYING}
    rows = comparisons
    for column in set(wanted) & set(comparisons.columns):
        rows = rows[rows[column] == wanted[column]]
    rows = rows.assign(measure=rows["metric"].map(metrics.in_text)).to_dict("records")
    return sorted(rows, key=lambda row: (not row["primary"], states.context_rank(row["context"])))


def sentence(row: Mapping[str, Any]) -> str:
    """One comparison with the base model in words: means, difference, interval, verdict."""
    where, metric = states.context_label(row["context"]), row["metric"]
    if row["context"] in ("retrieved", "oracle"):
        where += f" ({row['retriever']}, chunks of {row['chunk_size']} tokens, top {row['top_k']})"
    name = markdown(row["measure"].removesuffix(" (judge)"))
    judge = f" (judge {markdown(row['judge'])})" if row["judge"] else ""
    prompting = row.get("baseline", "default")
    base = (
        "the base model"
        if prompting == "default"
        else f"the base model, asked with {prompting} prompt,"
    )
    interval = "no interval can be computed"
    if wording.is_number(row["ci_low"]) and wording.is_number(row["ci_high"]):
        ends = [wording.signed(row[end], metric) for end in ("ci_low", "ci_high")]
        interval = f"95 % interval {' to '.join(ends)}"
    verdict = ""
    if row["primary"]:
        verdict = f" **{verdict_words(row).capitalize()}**: {markdown(row['reason'])}."
    return (
        f"{where[0].upper()}{where[1:]}: {name}{judge} is "
        f"{wording.number(row['mean_tuned'])}, with {base} {wording.number(row['mean_base'])}; a "
        f"difference of {wording.signed(row['difference'], metric)} ({interval}, "
        f"{wording.counted(int(row['n_questions']), 'question')}).{verdict}"
    )


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A comparison with the base model as cells of the card's table."""
    ends = [wording.signed(row[end], row["metric"]) for end in ("ci_low", "ci_high")]
    return {
        "where": states.context_label(row["context"]),
        "measure": row["measure"] + (f" ({row['judge']})" if row["judge"] else ""),
        "base": wording.number(row["mean_base"]),
        "tuned": wording.number(row["mean_tuned"]),
        "difference": f"{wording.signed(row['difference'], row['metric'])} ({ends[0]}, {ends[1]})",
        "n": str(row["n_questions"]),
    }


def export_adapter(
    run_dir: Path, target: Path, merge: bool = False, findings: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Write the adapter of a finished fine-tuning run, or the merged model, to `target`.

    `findings` (see `collect_findings`) go into the model card. The folder is whole or not there.
    Raises StudyError for a run that is not done or of another stage, for a target that is not
    empty, and where there is nothing to export in the form asked for.
    """
    import torch

    params, metrics, provenance = _read_run(run_dir)
    if (kind := architectures.kind_of(params["model"])) != architectures.DECODER:
        raise StudyError(
            f"{run_dir}: its model is {architectures.words_for(kind)}, and what is exported here, "
            "with its card, is for decoders. What was trained lies in the folder `adapter` of the "
            "run, as transformers and PEFT load it."
        )
    config = _adapter_config(run_dir, params, merge)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StudyError(f"{target}: is there already. Name a folder that is new or empty.")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".exporting-", dir=target.parent))
    try:
        staging.chmod(0o755)
        if merge:
            # In float32: what training changed is lost in the rounding of 16 and of 4 bits.
            adapter, dtype = (
                run_dir / "adapter",
                provenance["identity"]["parameters"]["compute"]["dtype"],
            )
            lm = loading.load_generator(params["model"], "float32", adapter, quantised=False)
            whole = lm.model.merge_and_unload() if config else lm.model
            whole.to(getattr(torch, dtype)).save_pretrained(staging)
            lm.tokenizer.save_pretrained(staging)
        else:
            shutil.copyfile(run_dir / "adapter" / _WEIGHTS, staging / _WEIGHTS)
            files.write_json(staging / "adapter_config.json", config)
        card = _card(params, metrics, provenance, config, merge, findings)
        files.write_text(staging / "README.md", card)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def vllm_words(config: Mapping[str, Any], base: str) -> str:
    """Whether vLLM can serve an adapter with these PEFT settings, and how."""
    used = [name for name in _NOT_IN_VLLM if config.get(name)]
    if config["peft_type"] != "LORA" or used or config.get("bias", "none") != "none":
        why = ", ".join(used) or "only LoRA without biases is served"
        return f"cannot serve this adapter ({why}); a merged model it can."
    rank = next((rank for rank in VLLM_RANKS if rank >= config["r"]), None)
    if rank is None:
        return f"serves ranks up to {VLLM_RANKS[-1]}, this adapter has {config['r']}; merge it."
    return (
        f"`vllm serve {base} --enable-lora --max-lora-rank {rank} "
        "--lora-modules tuned=path/to/this/folder` (by the adapter's settings; not tried here)"
    )


def _read_run(run_dir: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Parameters, metrics and provenance of a finished fine-tuning run."""
    try:
        state = json.loads((run_dir / "status.json").read_text(encoding="utf-8"))["state"]
    except (OSError, ValueError, KeyError):
        raise StudyError(f"{run_dir}: is no run folder (outputs/runs/<stage>/<run>).") from None
    if state != "done":
        raise StudyError(f"{run_dir}: the run is {state}, not done. Run its study again first.")
    provenance = json.loads((run_dir / "provenance.json").read_text(encoding="utf-8"))
    if (stage := provenance["stage"]) != "fine_tune":
        raise StudyError(f"{run_dir}: is a run of {stage}; only those of fine_tune have adapters.")
    groups = files.read_yaml(run_dir / "params.yaml")
    params = groups["training"] | groups["retrieval"]
    params |= {key: groups[key] for key in ("model", "seed", "dataset")}
    return params, json.loads((run_dir / "metrics.json").read_text(encoding="utf-8")), provenance


def _adapter_config(run_dir: Path, params: Mapping[str, Any], merge: bool) -> dict[str, Any]:
    """PEFT's settings with the base under the name that others know; {} for a whole model."""
    file = run_dir / "adapter" / "adapter_config.json"
    if not file.exists():
        if not file.with_name("config.json").exists():
            raise StudyError(f"{run_dir}: there is no adapter in it. Run the training again.")
        if not merge:
            raise StudyError(f"{run_dir}: all weights were trained. Export the model (--merge).")
        return {}
    config = json.loads(file.read_text(encoding="utf-8"))
    if merge and config["peft_type"] not in ("LORA", "IA3"):
        method = states.method_label(params["method"])
        raise StudyError(f"{run_dir}: {method} changes no weights to merge. Leave out --merge.")
    # PEFT notes where it found the base, which is a folder of this machine.
    base = _base(params["model"])
    config |= {"base_model_name_or_path": base["name"], "revision": base["revision"]}
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    return config


def _base(model: str) -> dict[str, Any]:
    """How a base model is known elsewhere: name, revision, origin, and whether a hub has it."""
    name, revision, on_hub = model, None, True
    origin = "on the Hugging Face hub"
    if preset := names.GENERATORS.get(model):
        on_hub = not preset.source.startswith(("package:", "random"))
        if on_hub:
            name, revision = preset.source, preset.revision
            origin += f" (revision {revision})"
        else:
            install = f" and `{preset.install}`" if preset.install else ""
            origin = f"not on a hub under this name; it comes with rag-study{install}"
    elif model.startswith(("/", "~", ".")) or Path(model).is_dir():
        name, on_hub = Path(model).name, False
        origin = "a folder, to be had from whoever trained this"
    return {"name": name, "revision": revision, "origin": origin, "on_hub": on_hub}


def _learned(params: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Whose answers were learned, where they are not all gold. A model is named without its place:
    cards are published."""
    counts = metrics.get("data", {})
    written, gold = counts.get(BY_MODEL, 0), counts.get(IN_PLACE, 0)
    source = params.get("answer_source", GOLD)
    writer = "its base" if source == SELF else run_names.short_name(source)
    others = ", the others are gold" if gold else ""
    return f"{written} of its {written + gold} training answers were written by {writer}{others}."


def _card(
    params: Mapping[str, Any],
    metrics: Mapping[str, Any],
    provenance: Mapping[str, Any],
    config: Mapping[str, Any],
    merged: bool,
    findings: Sequence[Mapping[str, Any]],
) -> str:
    base = _base(params["model"])
    closed_book = params["train_format"] == "closed_book"
    settings = {name: params[name] for name in params if name not in _NOT_LISTED}
    settings["dtype"] = provenance["identity"]["parameters"]["compute"]["dtype"]
    settings |= {name: metrics.get(name) for name in ("optimizer_steps", "trainable_parameters")}
    noise = params.get("label_noise", 0)
    limits = {
        "It saw no passages in training: this is not fine-tuning for RAG in general.": closed_book,
        f"{100 * noise:g} % of its training answers are wrong on purpose.": noise,
        "Its data is invented: the effects say nothing about real questions.": (
            params["dataset"]["name"] == "fictional"
        ),
        "Its base has random weights: its answers are noise.": params["model"] == "random-llama",
        _learned(params, metrics): params.get("answer_source"),
        "It was trained over a 4-bit base and merged into the unquantised one.": (
            merged and params["method"] == "qlora"
        ),
    }
    untrusted = [row for row in findings if row["reason"].startswith(f"judge {row['judge']} ")]
    others = [
        row
        for row in findings
        if not row["primary"] and row not in untrusted and row.get("baseline", DEFAULT) == DEFAULT
    ]
    name, path = params["dataset"]["name"], params["dataset"].get("path")
    versions = [f"{name} {provenance['versions'][name]}" for name in ("transformers", "peft")]
    served = base["name"] if base["on_hub"] else "path/to/the/base"
    return (
        markup.cards()
        .get_template("model_card.md.j2")
        .render(
            base=base,
            params=params,
            merged=merged,
            data=markdown_code(Path(path).name if name in OWN else name),
            method=states.method_label(params["method"]),
            trained=states.format_label(params["train_format"]),
            settings={
                name.replace("_", " "): value
                for name, value in settings.items()
                if value and isinstance(value, str | int | float)  # 0, "" and null: not used
            },
            before=wording.number(metrics.get("base_validation_loss"), 3),
            after=wording.number(metrics.get("validation_loss"), 3),
            versions=wording.listed(
                [*versions, f"rag-study ({(provenance['git_commit'] or 'no commit')[:12]})"]
            ),
            verdicts=[sentence(row) for row in findings if row["primary"]],
            others=[_cells(row) for row in others],
            excluded=sorted({row["reason"] for row in untrusted}),
            limits=[limit for limit, applies in limits.items() if applies],
            chat=prompts.answer_messages(
                "{question}", [] if closed_book else [("{title}", "{text}")]
            ),
            vllm="`vllm serve path/to/this/folder`" if merged else vllm_words(config, served),
        )
    )
