"""The groups of settings: what may be said of a data set, a search, a training, a judge and so on.

Each is defined once, with single values. Notebooks declare groups in their parameters cells, the
study file has sections that are made of the same groups (`study.sections`), and a `Point` of the
grid holds one of each.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from rag_study.answering.conditions import CONDITIONS
from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.evaluation import criteria
from rag_study.models import endpoint, names
from rag_study.models.prompts import PROMPTINGS
from rag_study.study.data_groups import Dataset, Retrieval
from rag_study.study.group import Group
from rag_study.study.model_checks import check_engine, check_language_model, check_reader, only_data
from rag_study.study.training_groups import Knowledge, Training

Context = Literal[tuple(CONDITIONS)]
Prompting = Literal[tuple(PROMPTINGS)]


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
    knowledge: Annotated[Knowledge | None, _NoneForNothing] = None
    answering: Answering = Answering()
    system: Annotated[System | None, _NoneForNothing] = None
    judge: Judge | None = None
    semantic_similarity: bool = True
    retention: int = Field(1000, ge=0)
    compute: Compute = Compute()
    servers: Servers = Servers()
    study_file: str = ""
    others: list[str] = Field([])

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        if name:
            check_reader(name)
        return name

    @model_validator(mode="after")
    def _is_possible(self) -> Point:
        if self.training and self.training.train_on != "all" and self.knowledge is None:
            self.__dict__["knowledge"] = Knowledge()
        if names.is_endpoint(self.model) and self.answering.context_gain:
            raise ValueError("context_gain needs the model itself; a server does not tell it")
        if self.model:
            check_engine(self.answering, self.model, self.training)
        return self
