"""Changes of a study file: the lines to copy, and the study that it is with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag_study.common import files
from rag_study.common.paths import portable
from rag_study.study.config import StudyConfig, study_of

_ONE_LINE = 72  # characters
Change = dict[str, Any]  # key of the study file -> what stands there then


@dataclass(frozen=True)
class StudyLines:
    """A study as its file says it. A change is whole keys: its lines replace those of these keys,
    or are added."""

    study: StudyConfig
    content: Mapping[str, Any]
    path: Path

    @classmethod
    def of(cls, study: StudyConfig) -> StudyLines | None:
        """None for several studies together, which have no file to change."""
        if len(study.paths) != 1:
            return None
        return cls(study, study.written, study.paths[0])

    @property
    def typed_path(self) -> str:
        """The file as it stands in commands."""
        return portable(self.path)

    def with_dataset(self, label: str, **keys: Any) -> Change:
        """One data set otherwise; `label` is its name in tables."""
        return self._with_one("datasets", self.study.datasets, label, keys)

    def with_judge(self, name: str, **keys: Any) -> Change:
        return self._with_one("judges", self.study.judges, name, keys)

    def _with_one(self, key: str, known: Sequence[Any], name: str, keys: Change) -> Change:
        entries = zip(self.content[key], known, strict=True)
        return {
            key: [{**entry, **keys} if of.display_name == name else entry for entry, of in entries]
        }

    def with_retrieval(self, **keys: Any) -> Change:
        return {"retrieval": {**self.content.get("retrieval", {}), **keys}}

    def also(self, key: str, value: Any, default: Sequence[Any]) -> Change:
        """A list of the study with one value more."""
        return {key: [*self.content.get(key, default), value]}

    def with_training(self, like: Mapping[str, Any], **keys: Any) -> Change:
        """One more entry of `fine_tuning`: that of a row of the tables, with keys otherwise."""
        return {"fine_tuning": [*self.content.get("fine_tuning", []), self.entry(like, **keys)]}

    def entry(self, like: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
        """The entry of `fine_tuning` behind a row of the tables, with single values of method,
        format and size, and further keys."""
        named = {name: like[name] for name in ("method", "train_format")}
        named["train_size"] = int(like["train_size"])
        former = {"train_sizes": "train_size", "strengths": "strength"}
        for entry, known in zip(
            self.content.get("fine_tuning", []), self.study.fine_tuning, strict=True
        ):
            if all(value in getattr(known, name) for name, value in named.items()):
                same = {former.get(key, key): value for key, value in entry.items()}
                return {**same, **named, **keys}
        return {**named, **keys}

    def changed(self, change: Change) -> StudyConfig:
        """The study with a change. Raises StudyError where there can be no such study."""
        return study_of({**self.content, **change}, self.path)

    @staticmethod
    def lines(change: Change) -> str:
        """The change as lines of the study file."""
        return files.yaml_text(_laid_out(change)).rstrip("\n") if change else ""


def _laid_out(value: Any) -> Any:
    """The same with what is short and simple on one line, as people write study files."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        laid = CommentedMap((key, _laid_out(inner)) for key, inner in value.items())
        simple = all(_is_scalar(inner) or isinstance(inner, list) for inner in value.values())
        short = simple and len(str(dict(value))) <= _ONE_LINE and len(value) > 1
    elif isinstance(value, list):
        laid = CommentedSeq(_laid_out(inner) for inner in value)
        short = all(map(_is_scalar, value))
    else:
        return value
    if short:
        laid.fa.set_flow_style()
    return laid


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, (Mapping, list))
