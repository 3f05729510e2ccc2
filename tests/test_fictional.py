"""The built-in data set: same text everywhere, one right answer per question, natural wording."""

from __future__ import annotations

import hashlib
import os
import re
import string
import subprocess
import sys
from collections import Counter, defaultdict
from difflib import SequenceMatcher

import pytest

from rag_study.qa_datasets import fictional
from rag_study.qa_datasets.fictional.generator import KINDS
from rag_study.qa_datasets.fictional.words import WORDS

DIGEST_OF_VERSION_1 = "0b7a720726c12a6a360955fafbf19ae6833896d47d82aeabbcf2fc2fa2e9a845"


@pytest.fixture(scope="module")
def dataset():
    return fictional.load()


@pytest.fixture(scope="module")
def texts(dataset):
    return {document.doc_id: document.text for document in dataset.documents}


@pytest.fixture(scope="module")
def all_strings(dataset):
    strings = [text for d in dataset.documents for text in (d.title, d.text)]
    for question in dataset.questions:
        strings += [question.question, question.rewording, *question.answers, *question.key_points]
    return strings


def digest(data) -> str:
    return hashlib.sha256(repr((data.questions, data.documents)).encode()).hexdigest()


def has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def slots_of(template: str) -> set[str]:
    return {slot for _, slot, _, _ in string.Formatter().parse(template) if slot}


def as_pattern(template: str) -> re.Pattern:
    parts = [
        re.escape(literal) + (r"[^.;?]+?" if slot else "")
        for literal, slot, _, _ in string.Formatter().parse(template)
    ]
    return re.compile("".join(parts))


def type_of_slot(kind, slot: str) -> tuple:
    draw, *arguments = kind.slots[slot]
    return (draw.removeprefix("twin_"), arguments[0] if draw == "pick" else "")


# --- the same everywhere -------------------------------------------------------------------------


def test_text_of_this_version_is_unchanged():
    assert fictional.VERSION == 1, "store the digest of the new version"
    assert digest(fictional.load(40)) == DIGEST_OF_VERSION_1, (
        "the generated text has changed: raise fictional.VERSION and store the new digest"
    )


@pytest.mark.parametrize("hash_seed", ["1", "4321"])
def test_other_process_and_hash_seed_give_the_same(hash_seed):
    code = (
        "import hashlib; from rag_study.qa_datasets import fictional; d = fictional.load(40);"
        "print(hashlib.sha256(repr((d.questions, d.documents)).encode()).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == digest(fictional.load(40))


def test_two_calls_agree_and_seeds_differ(dataset):
    assert fictional.load() == dataset
    other = fictional.load(10, seed=1)
    assert not {d.title for d in other.documents} & {d.title for d in dataset.documents[:30]}


@pytest.mark.parametrize("num_worlds", [0, 1, 7, 50])
def test_first_worlds_do_not_depend_on_how_many_there_are(dataset, num_worlds):
    part = fictional.load(num_worlds)
    assert len({q.group for q in part.questions}) == num_worlds
    assert part.questions == dataset.questions[: len(part.questions)]
    assert part.documents == dataset.documents[: len(part.documents)]


def test_negative_number_of_worlds_is_refused():
    with pytest.raises(ValueError, match="num_worlds"):
        fictional.load(-1)


# --- the data set as a whole ---------------------------------------------------------------------


def test_ids_and_order(dataset):
    assert dataset.questions[0].id == "fic-0001-1"
    assert dataset.documents[1].doc_id == "fic-0001-d2"
    assert dataset.questions[0].group == "world-0001"
    for ids in ([q.id for q in dataset.questions], [d.doc_id for d in dataset.documents]):
        assert len(set(ids)) == len(ids)
        assert ids == sorted(ids)
    assert all(q.id.split("-")[1] == q.group.split("-")[1] for q in dataset.questions)


def test_questions_and_titles_are_unique(dataset):
    assert len({q.question for q in dataset.questions}) == len(dataset.questions)
    assert len({d.title for d in dataset.documents}) == len(dataset.documents)


def test_sizes_and_shares_of_types(dataset):
    total = len(dataset.questions)
    assert total >= 1700
    shares = {t: n / total for t, n in Counter(q.answer_type for q in dataset.questions).items()}
    expected = {"factoid": 0.55, "list": 0.20, "summary": 0.15, "yesno": 0.10}
    assert shares == pytest.approx(expected, abs=0.03)
    assert any(len(q.gold_doc_ids) == 2 for q in dataset.questions if q.answer_type == "summary")


def test_yes_and_no_are_balanced_and_at_most_one_per_world(dataset):
    yesno = [q for q in dataset.questions if q.answer_type == "yesno"]
    counts = Counter(q.answers for q in yesno)
    assert set(counts) == {("Yes",), ("No",)}
    assert counts[("Yes",)] == counts[("No",)]
    assert max(Counter(q.group for q in yesno).values()) == 1


def test_first_words_of_questions_vary(dataset):
    first = Counter(q.question.split()[0] for q in dataset.questions)
    assert len(first) >= 15
    assert max(first.values()) / len(dataset.questions) < 0.3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_documents_are_short(seed):
    # Twice this many word pieces would still fit the 256 that the embedding model reads.
    lengths = [len(d.text.split()) for d in fictional.load(100, seed).documents]
    assert min(lengths) >= 45
    assert max(lengths) <= 85


# --- right answers -------------------------------------------------------------------------------


def test_key_points_stand_in_gold_documents_reference_and_rewording(dataset, texts):
    for question in dataset.questions:
        assert question.key_points
        assert all(has_words(question.rewording, point) for point in question.key_points)
        if question.answer_type == "yesno":
            assert question.key_points == question.answers
            continue
        gold = [texts[doc_id] for doc_id in question.gold_doc_ids]
        for point in question.key_points:
            assert any(has_words(text, point) for text in gold), question
            assert has_words(question.answers[0], point), question


def test_number_of_key_points_fits_the_type(dataset):
    allowed = {"factoid": {1}, "yesno": {1}, "list": {2, 3}, "summary": {2, 3}}
    for question in dataset.questions:
        assert len(set(question.key_points)) == len(question.key_points)
        assert len(question.key_points) in allowed[question.answer_type]


def test_gold_documents_are_of_the_questions_world(dataset, texts):
    for question in dataset.questions:
        assert question.gold_doc_ids
        for doc_id in question.gold_doc_ids:
            assert doc_id in texts
            assert doc_id.split("-")[1] == question.id.split("-")[1]


def test_answers_are_short_and_distinct(dataset):
    for question in dataset.questions:
        assert len(set(question.answers)) == len(question.answers)
        assert all(len(answer.split()) <= 20 for answer in question.answers)


def test_rewording_is_a_sentence_of_its_own(dataset, texts):
    for question in dataset.questions:
        assert question.rewording not in question.answers
        assert question.rewording[0].isupper()
        assert question.rewording.endswith(".")
        assert len(question.rewording.split()) >= 3
        assert not any(question.rewording in texts[doc_id] for doc_id in question.gold_doc_ids)


def test_no_answer_in_its_own_question(dataset):
    for question in dataset.questions:
        if question.answer_type != "yesno":
            assert not any(has_words(question.question, p) for p in question.key_points), question


def test_only_the_gold_documents_of_a_world_hold_the_answer(dataset, texts):
    titles = {document.title for document in dataset.documents}
    by_world = defaultdict(dict)
    for doc_id, text in texts.items():
        by_world[doc_id.split("-")[1]][doc_id] = text
    for question in dataset.questions:
        # A person with a document of their own is of course named there too.
        if question.answer_type != "factoid" or question.key_points[0] in titles:
            continue
        for doc_id, text in by_world[question.id.split("-")[1]].items():
            if doc_id not in question.gold_doc_ids:
                assert not has_words(text, question.key_points[0]), (question, doc_id)


def test_number_that_answers_is_not_the_only_one_in_its_document(dataset, texts):
    for question in dataset.questions:
        point = question.key_points[0]
        if question.answer_type == "factoid" and point[0].isdigit():
            text = next(t for d, t in texts.items() if d in question.gold_doc_ids and point in t)
            assert len(set(re.findall(r"\d+", text))) >= 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_factoid_answer_has_a_rival_of_its_type_in_its_document(kind):
    for relation in kind.relations:
        if relation.answer_type != "factoid":
            continue
        (answer,) = relation.points
        for page in (kind.pages[number] for number in relation.pages):
            always = set()
            for wordings in (page.lead, *page.body):
                always |= set.intersection(*(slots_of(wording) for wording in wordings))
            if answer in always:
                rivals = {
                    slot
                    for slot in (always & set(kind.slots)) - {answer}
                    if type_of_slot(kind, slot) == type_of_slot(kind, answer)
                }
                assert rivals, (kind.name, relation)


# --- twins ---------------------------------------------------------------------------------------


def test_twin_names_differ_by_little_and_twin_facts_in_everything(dataset):
    documents = dataset.documents
    twin_names = 0
    for first in range(0, len(documents), 6):
        for one, other in zip(
            documents[first : first + 3], documents[first + 3 : first + 6], strict=True
        ):
            assert one.title != other.title
            assert SequenceMatcher(None, one.title, other.title).ratio() >= 0.75
            twin_names += 1
    assert twin_names == 450
    points = defaultdict(set)
    for question in dataset.questions:
        if question.answer_type != "yesno":
            points[int(question.group.split("-")[1])] |= set(question.key_points)
    for world in range(1, 301, 2):
        assert not points[world] & points[world + 1]


# --- wording -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_relation_and_statement_is_produced_in_three_wordings(kind, dataset):
    # Pairs of twins go through the kinds in turn.
    numbers = range(KINDS.index(kind), 150, len(KINDS))
    worlds = {f"{2 * pair + which:04d}" for pair in numbers for which in (1, 2)}
    questions = [q.question for q in dataset.questions if q.id.split("-")[1] in worlds]
    documents = "\n".join(d.text for d in dataset.documents if d.doc_id.split("-")[1] in worlds)
    for relation in kind.relations:
        found = [w for w in relation.questions if any(map(as_pattern(w).fullmatch, questions))]
        assert len(set(found)) >= 3, relation
    for page in kind.pages:
        for wordings in (page.lead, *page.body):
            found = [w for w in wordings if as_pattern(w).search(documents)]
            assert len(set(found)) >= 3, wordings


def test_no_trace_of_templates(all_strings):
    for text in all_strings:
        assert not set("{}") & set(text), text
        assert "  " not in text, text
        assert text == text.strip()


def test_sentences_are_well_formed(dataset):
    sentences = [d.text for d in dataset.documents] + [q.question for q in dataset.questions]
    for text in sentences:
        assert text[0].isupper()
        assert text[-1] in ".?"
        assert not re.search(r"[.?] [a-z]|\.\.|,,| [,.;?]", text), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", text), text


def test_every_slot_is_drawn_and_word_lists_suffice_for_two_worlds():
    for kind in KINDS:
        picks = Counter(arguments[0] for draw, *arguments in kind.slots.values() if draw == "pick")
        for name, count in picks.items():
            assert len(set(WORDS[name])) == len(WORDS[name]) >= 2 * count, (kind.name, name)
        drawn = " ".join(w for page in kind.pages for g in (page.lead, *page.body) for w in g)
        drawn += " ".join(page.title for page in kind.pages)
        assert set(kind.slots) <= slots_of(drawn), kind.name


def test_names_do_not_run_out():
    large = fictional.load(1000)
    assert len({d.title for d in large.documents}) == 3000
