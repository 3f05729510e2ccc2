"""What a model is trained on: which questions, which answers, in which prompts.

One flow: `select` takes questions from the train pool, `with_answers` gives each the answer to be
learned, `make_pairs` adds passages, `with_replay` mixes in general instructions. Every choice is
decided by hashes of the seed and of ids, so the same seed gives the same pairs anywhere, and a
larger training set contains the smaller one. What each step did is counted.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from rag_study import retrieval
from rag_study.answering.contexts import ContextBuilder
from rag_study.common import files
from rag_study.common.errors import StudyError
from rag_study.common.text import contains, length
from rag_study.common.wording import counted
from rag_study.data import near_duplicates, train_subset
from rag_study.data.schema import Document, Question
from rag_study.data.splits import hash_order
from rag_study.retrieval.passage import Passage
from rag_study.training.recipe import (
    ANSWER_STYLES,
    BY_MODEL,
    IN_PLACE,
    LEFT_OUT,
    OTHERWISE,
    TRAIN_FORMATS,
)

GENERAL = Path(__file__).with_name("general_instructions.jsonl")
Answered = tuple[Question, str]  # a question and the answer that is learned for it


@dataclass(frozen=True)
class TrainingPair:
    """One prompt and its answer. `passages` are (title, text) in the order of the prompt.

    `has_gold`: whether a gold passage is among them; None where the format has none. A pair of
    kind `general` is from outside the task: its prompt is the bare text, not "Question: ...".
    `wordings` are the question's right answers, by which an extractive reader finds what to point
    at, and `answer_type` says whether there is anything.
    """

    id: str
    question: str
    answer: str
    passages: tuple[tuple[str, str], ...] = ()
    has_gold: bool | None = None
    kind: Literal["task", "general"] = "task"
    wordings: tuple[str, ...] = ()
    answer_type: str = "factoid"


def select(
    pool: Sequence[Question],
    size: int,
    seed: int,
    *,
    deduplicate: bool = False,
    among: Collection[str] | None = None,
) -> tuple[list[Question], dict[str, int]]:
    """The first `size` questions of the pool in the seed's order, and what became of the pool.

    With `deduplicate`, a question leaves the pool first when one before it in that order is its
    near-duplicate or has the same wording and scope; so the size stays, and subsets stay nested.
    With `among`, other ids are passed over, and where these are fewer than `size`, all are taken.
    Raises StudyError when the pool has too few questions.
    """
    if size < 1:
        raise StudyError(f"train size {size}: at least one question is needed.")
    ordered = train_subset(list(pool), len(pool), seed)
    kept = _without_repeats(ordered) if deduplicate else ordered
    repeats, passed_over = len(ordered) - len(kept), 0
    if among is not None:
        passed_over, kept = len(kept), [question for question in kept if question.id in among]
        passed_over -= len(kept)
        size = min(size, len(kept))
    if size > len(kept):
        less = f" ({counted(repeats, 'near-duplicate')} left out)" if deduplicate else ""
        raise StudyError(
            f"train size {size} is above the train pool's {counted(len(kept), 'question')}{less}."
        )
    return kept[:size], {
        "questions in the train pool": len(pool),
        "left out as near-duplicates": repeats,
        **({"left out for what is known of them": passed_over} if among is not None else {}),
        "not needed": len(kept) - size,
        "selected": size,
    }


def _without_repeats(ordered: Sequence[Question]) -> list[Question]:
    twins: dict[str, set[str]] = defaultdict(set)
    for one, other in near_duplicates.find_pairs(ordered):
        twins[one.id].add(other.id)
        twins[other.id].add(one.id)
    kept: dict[str, Question] = {}
    wordings = set()
    for question in ordered:
        wording = (question.scope, near_duplicates.wording(question))
        if wording not in wordings and twins[question.id].isdisjoint(kept):
            kept[question.id] = question
            wordings.add(wording)
    return list(kept.values())


def with_answers(
    questions: Sequence[Question],
    answer_style: str = "as_given",
    *,
    label_noise: float = 0.0,
    seed: int = 0,
    written: Mapping[str, str] | None = None,
    otherwise: str = "gold",
) -> tuple[list[Answered], dict[str, int]]:
    """Each question with the answer to be learned.

    `written` are answers of a model by question id (`written_answers.kept`). A question that is not
    among them gets its gold answer, or is left out, as `otherwise` says; StudyError where none is
    left.

    Styles: `as_given` is the reference; `short` the answer with the fewest words (the reference
    where there are no short answers); `long` the one with the most words among rewording,
    reference and answers, which is a full sentence only where the data has one.

    `label_noise` is the share of questions, exactly round(share x number), that get a wrong
    answer: they exchange answers with others of their answer type, so that the answers as a whole
    stay what they were. Where no such exchange is left (five times "no", twice "yes"), one is
    copied from another question, and counted. With a larger share the same questions are wrong,
    and more. Raises StudyError when fewer questions can be given a wrong answer.
    """
    _check("answer style", answer_style, ANSWER_STYLES)
    _check("way to go on otherwise", otherwise, OTHERWISE)
    kept, asked = {} if written is None else written, len(questions)
    if written is not None and otherwise == "left_out":
        questions = [question for question in questions if question.id in kept]
        if not questions:
            raise StudyError(
                f"none of the {asked} answers that a model wrote agrees with the gold answer, and "
                "`otherwise: left_out` leaves nothing to train on. Take `otherwise: gold`, or "
                "another answer_source or answered_from."
            )
    by_model = sum(question.id in kept for question in questions)
    gold = [_styled(question, answer_style) for question in questions]
    restyled = sum(
        a != q.reference for q, a in zip(questions, gold, strict=True) if q.id not in kept
    )
    answers = [kept.get(q.id, a) for q, a in zip(questions, gold, strict=True)]
    givers, copied = _exchange(questions, answers, label_noise, seed)
    learned = [(q, answers[givers.get(i, i)]) for i, q in enumerate(questions)]
    of_model = {
        BY_MODEL: by_model,
        IN_PLACE: len(questions) - by_model,
        LEFT_OUT: asked - len(questions),
    }
    return learned, {
        **({} if written is None else of_model),
        "answers other than the reference, by style": restyled,
        "wrong answers, by label noise": len(givers),
        "of these copied, not exchanged": copied,
    }


def mean_words(answered: Sequence[Answered]) -> float:
    """Mean length of the answers to be learned, in words (`text.length`)."""
    return sum(length(answer) for _, answer in answered) / len(answered)


def _styled(question: Question, style: str) -> str:
    if style == "short":
        return min(question.answers or (question.reference,), key=length)
    if style == "long":
        wordings = (question.rewording or "", question.reference, *question.answers)
        return max(wordings, key=length)
    return question.reference


def _exchange(
    questions: Sequence[Question], answers: Sequence[str], share: float, seed: int
) -> tuple[dict[int, int], int]:
    """(position of a question -> position whose answer it gets, number of copied answers)."""
    number = round(share * len(questions))
    order = sorted(
        range(len(questions)), key=lambda i: hash_order(f"noise:{seed}:{questions[i].id}")
    )
    same_type: dict[str, list[int]] = defaultdict(list)
    for i in order:
        same_type[questions[i].answer_type].append(i)

    def wrong(giver: int, taker: int) -> bool:
        """Whether no right answer stands in the giver's, nor the giver's in a right one."""
        lent, question = answers[giver], questions[taker]
        right = {*question.answers, question.reference, answers[taker]}
        return not any(contains(lent, text) or contains(text, lent) for text in right)

    candidates = (i for i in order if any(wrong(j, i) for j in same_type[questions[i].answer_type]))
    possible = list(itertools.islice(candidates, number))
    if number > len(possible):
        raise StudyError(
            f"label_noise {share} of {len(questions)} training questions is {number}, but only "
            f"{len(possible)} can be given a wrong answer of the same type. Lower label_noise."
        )
    taking, givers, copied = set(possible), {}, 0
    for members in same_type.values():
        takers = [i for i in members if i in taking]
        ring = takers[1:] + takers[:1]  # whose answer each taker gets
        for place, taker in enumerate(takers):
            if wrong(ring[place], taker):
                continue
            for other, its_taker in enumerate(takers):
                if wrong(ring[other], taker) and wrong(ring[place], its_taker):
                    ring[place], ring[other] = ring[other], ring[place]
                    break
        for taker, giver in zip(takers, ring, strict=True):
            if not wrong(giver, taker):
                others = [i for i in members if i not in taking]
                giver = next(i for i in (*others, *takers) if wrong(i, taker))
                copied += 1
            givers[taker] = giver
    return givers, copied


def search_passages(
    index_folder: Path,
    questions: Sequence[Question],
    documents: Sequence[Document],
    *,
    embedding: retrieval.Embedder,
    retriever: str,
    reranker: str,
    dtype: str,
    depth: int,
    top_k: int,
    retrieval_scope: str,
) -> PassageSource:
    """The passages for training on these questions, searched for as stage 02 does it.

    That stage searches for the questions that are answered; what is trained on is searched here.
    """
    hits = retrieval.retrieve(
        index_folder / "index",
        list(questions),
        depth,
        embedding,
        retrieval.scopes_of(documents, retrieval_scope),
        retriever,
        retrieval.load_reranker(reranker, dtype),
    )
    return PassageSource(files.read_parquet(index_folder / "chunks.parquet"), hits, top_k)


class PassageSource:
    """Gold passages and distractors, from the tables of `retrieval.chunk_table` and
    `retrieval.retrieve` (for the training questions); `top_k` as at answering time. `builder` has
    every other context of these questions."""

    def __init__(self, chunks: pd.DataFrame, hits: pd.DataFrame, top_k: int):
        self.builder = ContextBuilder(chunks, hits, top_k)

    def gold(self, question: Question) -> list[Passage]:
        """What the model is shown in the context `oracle`; empty without gold documents."""
        return list(self.builder.context(question, "oracle").passages or ())

    def distractors(self, question: Question) -> list[Passage]:
        """The best passages of the search that are of no gold document and help with no answer:
        no right answer stands in them, and no wording of a key point. Best first."""
        return self.builder.distractors(question)


def make_pairs(
    answered: Sequence[Answered],
    train_format: str,
    source: PassageSource | None = None,
    *,
    p_gold: float = 0.8,
    num_distractors: int = 3,
    seed: int = 0,
) -> tuple[list[TrainingPair], dict[str, int]]:
    """The training pairs of a format; every format but `closed_book` needs a `source`.

    `with_context`: the passages of the context `oracle`, as at answering time. `raft` (Zhang et
    al. 2024, arXiv 2403.10131; here without its chain of thought): exactly round(p_gold x number)
    of the questions with a gold document see the best passage of each gold document among
    `num_distractors` distractors. The others see distractors in place of the gold passages too,
    as in the authors' code, so that the number of passages tells nothing. The order is shuffled.

    A question without a gold document is trained without passages in both; StudyError when none
    has one. The counts with gold, with distractors alone and without passages add up.
    """
    _check("training format", train_format, TRAIN_FORMATS)
    if train_format != "closed_book" and not any(q.gold_doc_ids for q, _ in answered):
        raise StudyError(
            f"train_format {train_format} needs gold documents, and none of the {len(answered)} "
            "training questions names one (gold_doc_ids). Use closed_book."
        )
    pairs, short_of, numbered = [], 0, 0
    for question, answer in answered:
        passages, has_gold = [], None
        if train_format != "closed_book":
            passages = source.gold(question)
            has_gold = bool(passages)
        if train_format == "raft" and passages:
            # True for round(p_gold * n) of the first n, whatever n is: smaller sets are nested.
            has_gold = round(p_gold * (numbered + 1)) > round(p_gold * numbered)
            numbered += 1
            best: dict[str, Passage] = {}
            for passage in passages:
                best.setdefault(passage.doc_id, passage)
            wanted = num_distractors + (0 if has_gold else len(best))
            passages = source.distractors(question)[:wanted]
            short_of += len(passages) < wanted
            passages += best.values() if has_gold else []
            passages.sort(key=lambda p: hash_order(f"place:{seed}:{question.id}:{p.chunk_id}"))
        texts = tuple((passage.title, passage.text) for passage in passages)
        pairs.append(
            TrainingPair(
                question.id,
                question.question,
                answer,
                texts,
                has_gold,
                wordings=question.answers,
                answer_type=question.answer_type,
            )
        )
    return pairs, {
        "pairs": len(pairs),
        "with a gold passage": sum(bool(pair.has_gold) for pair in pairs),
        "with distractors alone": sum(bool(p.passages and not p.has_gold) for p in pairs),
        "without passages": sum(not pair.passages for pair in pairs),
        "with fewer distractors than asked": short_of,
    }


def with_replay(
    pairs: Sequence[TrainingPair],
    fraction: float,
    seed: int,
    general: Sequence[TrainingPair] | None = None,
) -> tuple[list[TrainingPair], dict[str, int]]:
    """The pairs and so many general ones that these are `fraction` (below 1) of all.

    200 pairs and 0.2 make 250. They are taken in the seed's order; when all are used up they
    repeat, counted. `general` defaults to the bundled ones. Raises StudyError for no pairs.
    """
    if not pairs:
        raise StudyError("there are no training pairs to mix general instructions into.")
    number = round(len(pairs) * fraction / (1 - fraction))
    mixed = []
    if number:
        general = load_general() if general is None else general
        ordered = sorted(general, key=lambda pair: hash_order(f"replay:{seed}:{pair.id}"))
        mixed = list(itertools.islice(itertools.cycle(ordered), number))
    return [*pairs, *mixed], {
        "general instructions": number,
        "of these repeated": max(0, number - len(general or ())),
    }


def load_general() -> list[TrainingPair]:
    """The bundled general instructions and their responses."""
    rows = files.read_jsonl(GENERAL)
    return [
        TrainingPair(row["id"], row["instruction"], row["response"], kind="general") for row in rows
    ]


def _check(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise StudyError(f"unknown {what} '{name}'; known: {', '.join(names)}")
