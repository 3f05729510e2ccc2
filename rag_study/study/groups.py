"""The groups of settings: what may be said of a data set, a search, a training, a judge and so on.

Each is defined once, with single values. Notebooks declare groups in their parameters cells, the
study file has sections that are made of the same groups (`study.sections`), and a `Point` of the
grid holds one of each.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from rag_study import data
from rag_study.answering.conditions import CONDITIONS, ORDERS
from rag_study.common.errors import StudyError
from rag_study.common.messages import nearest
from rag_study.common.paths import located
from rag_study.data import registry
from rag_study.evaluation import criteria
from rag_study.models import architectures, endpoint, folders, methods, names, vllm
from rag_study.models.prompts import PROMPTINGS
from rag_study.retrieval import embedding_model, store_names
from rag_study.retrieval.settings import RETRIEVERS, SPECIAL_TOKENS, check_chunking
from rag_study.training.recipe import ANSWER_STYLES, TRAIN_FORMATS

Context = Literal[tuple(CONDITIONS)]
Prompting = Literal[tuple(PROMPTINGS)]
Share = Annotated[float, Field(ge=0, le=1)]
# 02 keeps at least so many passages per question, so that a smaller top_k needs no new search;
# passages without the gold ones are looked for further down.
MIN_DEPTH, DISTRACTOR_DEPTH = 10, 30
# Settings that one family of methods has.
_FAMILY_OF = {"lora_rank": "lora", "lora_alpha": "lora", "num_virtual_tokens": "virtual"}


class Group(BaseModel):
    """Some settings that belong together. Unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def unused(self) -> frozenset[str]:
        """Keys that mean nothing beside the other values: they make no difference to any run."""
        return frozenset()


class Dataset(Group):
    """One data set: a name of `data.registry`, where it is, and the data set's own options (further
    keys, checked against what the data set takes, and spelt out)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="a name of the data set registry")
    path: str | None = Field(None, description="file or folder; left out: the hub, or generated")
    corpus: str | None = Field(None, description="file or folder with documents of its own")
    test_share: float = Field(0.25, ge=0.05, le=0.8, description="share of the test pool")
    retrieval_scope: Literal["corpus", "own"] | None = Field(
        None, description="own: search the question's own paper or contract only"
    )

    @model_validator(mode="after")
    def _fits_the_data_set(self) -> Dataset:
        try:
            loader = registry.find(self.name)
            for key in self.model_extra:
                if key not in loader.options.model_fields:
                    keys = [*type(self).model_fields, *loader.options.model_fields]
                    raise ValueError(f"unknown key '{key}'{nearest(key, keys)}")
            options = data.source_of(*self.source).options
        except StudyError as error:
            raise ValueError(str(error)) from None
        # A default that is another one day must not go unnoticed: ids are made of what stands here.
        self.model_extra.update(options.model_dump(mode="json"))
        if self.retrieval_scope is None:
            self.__dict__["retrieval_scope"] = (
                "own" if loader.searches_own_scope(options) else "corpus"
            )
        return self

    @property
    def source(self) -> tuple[str, str, str, dict[str, Any]]:
        """What `data.load` takes."""
        return self.name, self.path or "", self.corpus or "", dict(self.model_extra)

    @property
    def content(self) -> tuple[Any, ...]:
        """What decides which questions there are, and in which pools: equal means the same data."""
        return *self.source, self.test_share


class Retrieval(Group):
    """How the corpus is cut and searched, and what of it is shown.

    Lengths are in tokens of the embedding model, `max_context_tokens` in tokens of the answering
    model (0: only its window limits the passages). Prefixes and window, left out, are those that
    the model's own files say; what is known of its family instead is said here from then on.
    """

    retriever: Literal[RETRIEVERS] = "dense"
    reranker: str = Field("", description="a cross-encoder, or a language model")
    embedding_model: str = Field(
        "all-minilm-l6-v2", description="preset, folder, hub id, or http://host:port/v1#model-name"
    )
    embedding_window: int | None = Field(
        None, ge=32, description="tokens that the embedding model reads; left out: as its files say"
    )
    query_prefix: str | None = Field(None, max_length=1000, description="before questions")
    passage_prefix: str | None = Field(None, max_length=1000, description="before passages")
    store: str | None = Field(None, description="a served vector store; left out: FAISS, in files")
    chunk_size: int = Field(192, ge=32)
    chunk_overlap: int = Field(32, ge=0)
    depth: int | None = Field(
        None, ge=1, description="passages kept per question; left out: as many as are asked for"
    )
    top_k: int = Field(3, ge=1, le=50, description="passages in the prompt")
    max_context_tokens: int = Field(0, ge=0)
    passage_order: Literal[ORDERS] = "best_first"

    @field_validator("reranker")
    @classmethod
    def _known_reranker(cls, name: str) -> str:
        if names.is_endpoint(name):
            raise ValueError("a model on a server does not rerank; name a preset, folder or hub id")
        if name:
            check_model(name)
        if folder := names.folder_of(name):
            only_data(folder, f"reranker '{name}'")
        return name

    @model_validator(mode="after")
    def _is_possible(self) -> Retrieval:
        try:
            model = embedding_model.find(self.embedding_model, **self.embedding_options)
            room = model.window and model.window - SPECIAL_TOKENS
            check_chunking(self.chunk_size, self.chunk_overlap, room)
            if self.store:
                store_names.check(self.store)
        except StudyError as error:
            raise ValueError(str(error)) from None
        if self.depth is not None and self.depth < self.top_k:
            raise ValueError(f"depth {self.depth}: fewer passages than top_k ({self.top_k})")
        # A folder's name is in no run's id; what is concluded from it must be.
        if any(embedding_model.family_prefixes(self.embedding_model)):
            self.__dict__["query_prefix"] = model.query_prefix
            self.__dict__["passage_prefix"] = model.passage_prefix
        return self

    @property
    def embedding_options(self) -> dict[str, Any]:
        """What `retrieval.load_embedding` takes beside the model's name."""
        prefixes = {"query_prefix": self.query_prefix, "passage_prefix": self.passage_prefix}
        return {**prefixes, "window": self.embedding_window}

    @property
    def unused(self) -> frozenset[str]:
        keys = ("query_prefix", "passage_prefix", "embedding_window", "store")
        left_out = {key for key in keys if getattr(self, key) is None}
        return frozenset(left_out | {"store"} if self.retriever == "bm25" else left_out)

    def deep_enough(self, contexts: Sequence[str]) -> Retrieval:
        """The same with its `depth` said: enough for these contexts."""
        least = DISTRACTOR_DEPTH if "distractor" in contexts else MIN_DEPTH
        depth = self.depth or max(least, self.top_k)
        return self if depth == self.depth else self.model_copy(update={"depth": depth})


class Training(Group):
    """One way to fine-tune.

    `max_steps` replaces `epochs`. The learning rate, left out, is the method's own. The data sets
    of `sequence` are trained on one after the other; without it, the data set that is asked.
    """

    method: Literal[tuple(methods.METHODS)] = "lora"
    train_format: Literal[tuple(TRAIN_FORMATS)] = "closed_book"
    train_size: int = Field(200, ge=1, description="questions; subsets of one seed are nested")
    epochs: int = Field(3, ge=1, le=100)
    max_steps: int | None = Field(
        None, ge=1, description="optimizer steps, the same at every train size; replaces epochs"
    )
    learning_rate: float | None = Field(None, gt=0, lt=1)
    lora_rank: int = Field(16, ge=1, le=1024)
    lora_alpha: int = Field(32, ge=1)
    num_virtual_tokens: int = Field(20, ge=1, le=1024, description="prompt and prefix tuning")
    batch_size: int = Field(8, ge=1)
    early_stopping: bool = Field(False, description="keep the weights with the lowest loss")
    p_gold: Share = Field(0.8, description="raft: share of examples with the gold passage")
    num_distractors: int = Field(3, ge=1, le=20, description="raft: other passages per example")
    replay: float = Field(0.0, ge=0, lt=1, description="share of general instructions in the mix")
    label_noise: Share = Field(0.0, description="share of wrong answers")
    answer_style: Literal[ANSWER_STYLES] = "as_given"
    deduplicate: bool = Field(False, description="no near-duplicates among the questions")
    strength: Share = Field(1.0, description="1: the adapter, 0: the base, between: interpolated")
    sequence: list[Dataset] = []

    @model_validator(mode="after")
    def _is_possible(self) -> Training:
        if self.strength != 1 and methods.METHODS[self.method].family == "virtual":
            raise ValueError(f"strength: {self.method} is there or not, nothing between")
        if self.learning_rate is None:
            self.__dict__["learning_rate"] = methods.METHODS[self.method].learning_rate
        return self

    @property
    def with_passages(self) -> bool:
        return self.train_format != "closed_book"

    @property
    def unused(self) -> frozenset[str]:
        family = methods.METHODS[self.method].family
        keys = {key for key, owner in _FAMILY_OF.items() if owner != family}
        keys |= {"epochs"} if self.max_steps else {"max_steps"}
        return frozenset(
            keys if self.train_format == "raft" else keys | {"p_gold", "num_distractors"}
        )


def _no_server(engine: Any) -> Any:
    if engine == "server":
        raise ValueError(
            "a server that runs already is named in `models`, as http://host:port/v1#model-name; "
            "an engine is transformers, or vllm, which starts a server of its own"
        )
    return engine


Engine = Annotated[Literal["transformers", "vllm"], BeforeValidator(_no_server)]


class Vllm(Group):
    """What a vLLM server is started with: memory and speed alone, so that it is in no run's id.
    Left out, it is as vLLM does it by itself."""

    tensor_parallel_size: int | None = Field(None, ge=1, description="GPUs that share the model")
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1, description="share it may fill")
    max_num_seqs: int | None = Field(None, ge=1, description="answers written side by side")
    max_model_len: int | None = Field(None, ge=1, description="tokens of its window, for memory")
    cpu_offload_gb: float | None = Field(None, ge=0, description="of the weights, to main memory")
    enforce_eager: bool | None = Field(
        None, description="compile nothing: starts sooner, writes slower; left out: without a GPU"
    )


class Answering(Group):
    """What is asked, in which conditions, and how the answers are generated."""

    contexts: list[Context] = Field(["none", "retrieved", "oracle"], min_length=1)
    test_size: int = Field(100, ge=1, description="questions, from the front of the test pool")
    prompting: Prompting = "default"
    num_examples: int = Field(4, ge=1, le=32, description="examples in a few_shot prompt")
    max_new_tokens: int = Field(48, ge=1, le=2048)
    temperature: float = Field(0.0, ge=0, le=2, description="0: greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    context_gain: bool = Field(False, description="also the likelihood of the reference answer")
    batch_size: int = Field(8, ge=1, description="questions answered, or answers graded, together")
    engine: Engine = Field(
        "transformers", description="what computes the models that are loaded here"
    )
    vllm: Vllm = Vllm()

    @property
    def few_shot(self) -> bool:
        return self.prompting == "few_shot"

    @property
    def unused(self) -> frozenset[str]:
        keys = set() if self.few_shot else {"num_examples"}
        keys |= set() if self.temperature else {"top_p"}
        return frozenset(keys if self.engine == "vllm" else keys | {"engine", "vllm"})


class System(Group):
    """Answers that another system gave to the same questions, judged beside the study's own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=40)
    answers: str = Field(description="JSON lines: id or question, answer, optionally contexts")
    context: Context = Field("retrieved", description="the condition that it is compared in")


class Judge(Group):
    """Who grades the answers, by which criteria, and how."""

    model: str = Field(description="preset, hub id, folder, or http://host:port/v1#model-name")
    criteria: list[str] = Field(
        list(criteria.DEFAULT), min_length=1, description="names, or paths of own YAML files"
    )
    adapter: str | None = Field(None, description="folder with an adapter of a local judge")
    trained: bool = Field(False, description="the adapter, or the model, was trained to grade")
    dtype: Literal["float32", "bfloat16", "4bit"] | None = Field(
        None, description="left out: that of `compute`"
    )
    tokenizer: str | None = Field(
        None, description="of a model on a server: it is asked for completions instead of by chat"
    )
    reasoning_tokens: int = Field(0, ge=0, le=2048, description="0: the score at once")
    samples: int = Field(1, ge=1, le=50, description="of the reasoning, averaged")
    ladder_size: int = Field(60, ge=20, description="questions in the judge's check")

    @model_validator(mode="after")
    def _can_score(self) -> Judge:
        try:
            wanted = criteria.find_all(self.criteria)
        except StudyError as error:
            raise ValueError(str(error)) from None
        if self.model in names.JUDGES:
            names.check_installed(self.model)
            if self.adapter:
                raise ValueError(f"adapter: {self.model} has one already")
        else:
            check_language_model(self.model, also=list(names.JUDGES))
        unknown = [criterion.name for criterion in wanted if not criterion.trained_rubric]
        if unknown and names.is_trained_judge(self.model, self.trained):
            raise ValueError(
                f"criteria: a judge that was trained to grade knows none of '{unknown[0]}', which "
                "has no `trained_rubric`; name another judge for it"
            )
        remote = names.is_endpoint(self.model)
        local_only = [key for key in ("adapter", "trained", "dtype") if getattr(self, key)]
        if remote and local_only:
            raise ValueError(f"{local_only[0]}: a model on a server is as the server has it")
        if self.tokenizer and not remote:
            raise ValueError("tokenizer: a local judge has its own; it is for models on a server")
        if self.adapter and not located(self.adapter).is_dir():
            raise ValueError(f"adapter: there is no folder {self.adapter}")
        if self.adapter:
            only_data(located(self.adapter), "adapter")
        if self.samples > 1 and not self.reasoning_tokens:
            raise ValueError(
                "samples: without reasoning_tokens nothing is drawn, and all would be the same"
            )
        return self


class Compute(Group):
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the hardware has it"
    )
    threads: int = Field(0, ge=0, le=1024, description="0: as many as the machine has cores")


class Servers(Group):
    """How models on servers are asked. It changes no answer, so it is part of no run's id."""

    concurrency: int = Field(endpoint.CONCURRENCY, ge=1, le=512, description="requests at once")
    timeout_s: float = Field(
        endpoint.TIMEOUT_S, gt=0, le=86_400, description="seconds that a reply may take"
    )
    max_retries: int = Field(
        endpoint.MAX_RETRIES, ge=0, le=100, description="of a request, after failures that may pass"
    )


def _none_for_nothing(value: Any) -> Any:
    return None if value == {} else value


_NoneForNothing = BeforeValidator(_none_for_nothing)


class Point(Group):
    """One of each: a point of the grid, or what a notebook's parameters cell says.

    `{}` in a notebook means: no training (the base model), no other system, no data set needed.
    """

    dataset: Annotated[Dataset | None, _NoneForNothing] = None
    retrieval: Retrieval = Retrieval()
    model: str = ""
    seed: int = Field(0, ge=0)
    training: Annotated[Training | None, _NoneForNothing] = None
    answering: Answering = Answering()
    system: Annotated[System | None, _NoneForNothing] = None
    judge: Judge | None = None
    semantic_similarity: bool = True
    retention: int = Field(1000, ge=0)
    compute: Compute = Compute()
    servers: Servers = Servers()
    study_file: str = ""
    others: list[str] = []

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        if name:
            check_language_model(name)
        return name

    @model_validator(mode="after")
    def _is_possible(self) -> Point:
        if names.is_endpoint(self.model) and self.training is not None:
            raise ValueError("training: a model behind a server is not trained here; give {}")
        if names.is_endpoint(self.model) and self.answering.context_gain:
            raise ValueError("context_gain needs the model itself; a server does not tell it")
        if self.model:
            check_engine(self.answering, self.model, self.training)
        return self


def check_engine(answering: Answering, model: str, training: Training | None) -> None:
    """Raise ValueError where the engine that is to answer cannot be that of a state of a study."""
    if answering.engine != "vllm":
        return
    how = (training.method, training.strength, training.lora_rank) if training else (None,)
    reason = vllm.refusal(model, *how)
    if answering.context_gain:
        reason = "context_gain needs the model itself, which is with vLLM's server"
    if reason is not None:
        raise ValueError(f"answering: engine: vllm: {reason}. `engine: transformers` does it")


def check_language_model(name: str, also: Sequence[str] = ()) -> None:
    """As `check_model`, and for a model of which it is known that it cannot write text."""
    check_model(name, also)
    try:
        architectures.check(name)
    except StudyError as error:
        raise ValueError(str(error)) from None


def only_data(folder: Path, what: str) -> None:
    """Raise ValueError where a folder with a model would have code of its own run."""
    try:
        folders.check(folder, what)
    except StudyError as error:
        raise ValueError(str(error)) from None


def check_model(name: str, also: Sequence[str] = ()) -> None:
    """Raise ValueError for a name that is no model; `also` are names that would do as well."""
    if name.startswith(("http://", "https://")):
        try:
            endpoint.connect(name)
        except StudyError as error:
            raise ValueError(str(error)) from None
    if names.is_known(name):
        names.check_installed(name)
        return
    if name in names.JUDGES:
        raise ValueError(f"'{name}' was trained to grade answers: it is a judge (`judges`)")
    presets = [*names.GENERATORS, *also]
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"'{name}' is not a preset ({', '.join(presets)}), not a folder, "
        f"and not a hub id (owner/name){hint}"
    )
