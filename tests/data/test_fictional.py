"""The built-in data set: same text everywhere, one right answer per question, natural wording."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import string
import subprocess
import sys
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from functools import cache

import pytest
from pydantic import ValidationError

from rag_study.common.errors import StudyError
from rag_study.data.registry import Source
from rag_study.data.schema import NO_ANSWER
from rag_study.data.sources import fictional
from rag_study.data.sources.fictional import LOADER, worlds
from rag_study.data.sources.fictional.worlds import STYLES

DIGESTS_OF_VERSION_1 = {
    "encyclopedia": "7359896874cf9168659419c037fda357306bf68d21be99c0e747bc82392d869a",
    "biomedical": "1df9f0622de62436afdd60318babe06621e5252605312b3d4e01d090baa0c0c1",
    "papers": "a8da8cbeee8da9ef8ee48ab0dae99cd13a855893dc6af522c82659a1b19e17a9",
}
WORDS = worlds.words().lists
KINDS = [kind for style in STYLES.values() for kind in style.kinds]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@cache
def generate(num_worlds=300, seed=0, style="encyclopedia"):
    return fictional.generate(num_worlds, seed, style)


@pytest.fixture(scope="module", params=STYLES)
def style(request):
    return request.param


@pytest.fixture
def dataset(style):
    return generate(style=style)


@pytest.fixture
def answered(dataset):
    """The questions that the documents answer."""
    return [q for q in dataset.questions if q.answer_type != "unanswerable"]


@pytest.fixture
def texts(dataset):
    return {document.doc_id: document.text for document in dataset.documents}


@pytest.fixture
def all_strings(dataset):
    strings = [text for d in dataset.documents for text in (d.title, d.text)]
    for question in dataset.questions:
        strings += [question.question, question.reference, *question.answers]
        strings += [question.rewording] if question.rewording else []
        strings += [wording for point in question.key_points for wording in point]
    return strings


def digest(data) -> str:
    # What stands for "no answer" is the schema's matter.
    told = repr((data.questions, data.documents)).replace(repr(NO_ANSWER), "NO_ANSWER")
    return hashlib.sha256(told.encode()).hexdigest()


def facts(question) -> list[str]:
    """The first wording of every key point: the one that the documents use."""
    return [wordings[0] for wordings in question.key_points]


def world_of(name: str) -> int:
    return int(name.split("-")[1])


def style_of(kind) -> str:
    return next(name for name, style in STYLES.items() if kind in style.kinds)


def text_of_kind(kind) -> tuple[list[str], str]:
    """The questions and the joined documents of the worlds of a kind."""
    data, kinds = generate(style=style_of(kind)), STYLES[style_of(kind)].kinds
    # Pairs of twins go through the kinds in turn.
    numbers = range(kinds.index(kind), 150, len(kinds))
    worlds = {2 * pair + which for pair in numbers for which in (1, 2)}
    questions = [q.question for q in data.questions if world_of(q.id) in worlds]
    return questions, "\n".join(d.text for d in data.documents if world_of(d.doc_id) in worlds)


def has_words(text: str, words: str) -> bool:
    if words.lower() not in text.lower():
        return False
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None


def slots_of(template: str) -> set[str]:
    return {slot for _, slot, _, _ in string.Formatter().parse(template) if slot}


def as_pattern(template: str) -> re.Pattern:
    # A stop within a value (a decimal point) is followed by no space.
    parts = [
        re.escape(literal) + (r"(?:[^.;?]|\.(?! ))+?" if slot else "")
        for literal, slot, _, _ in string.Formatter().parse(template)
    ]
    return re.compile("".join(parts))


def type_of_slot(kind, slot: str) -> tuple:
    draw, *arguments = kind.slots[slot]
    return (draw.removeprefix("twin_"), arguments[0] if draw == "pick" else "")


# --- the same everywhere -------------------------------------------------------------------------


def test_text_of_this_version_is_unchanged(style):
    assert fictional.VERSION == 1, "store the digests of the new version"
    assert digest(generate(40, style=style)) == DIGESTS_OF_VERSION_1[style], (
        "the generated text has changed: raise fictional.VERSION and store the new digest"
    )


@pytest.mark.parametrize("hash_seed", ["1", "4321"])
def test_other_process_and_hash_seed_give_the_same(hash_seed):
    code = (
        "import hashlib; from rag_study.data.sources.fictional import generate, worlds;"
        "data = [generate(40, 0, s) for s in worlds.STYLES];"
        "print(hashlib.sha256(repr(data).encode()).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    here = repr([generate(40, style=name) for name in STYLES])
    assert result.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()


def test_two_calls_agree_and_seeds_differ(dataset, style):
    assert fictional.generate(style=style) == dataset
    other = generate(10, seed=1, style=style)
    assert not {d.title for d in other.documents} & {d.title for d in dataset.documents[:30]}


@pytest.mark.parametrize("num_worlds", [0, 1, 7, 50])
def test_first_worlds_do_not_depend_on_how_many_there_are(dataset, style, num_worlds):
    part = generate(num_worlds, style=style)
    assert len({q.group for q in part.questions}) == num_worlds
    assert part.questions == dataset.questions[: len(part.questions)]
    assert part.documents == dataset.documents[: len(part.documents)]


def test_negative_number_of_worlds_is_refused():
    with pytest.raises(ValueError, match="num_worlds"):
        generate(-1)


def test_options_choose_style_and_size(style):
    options = LOADER.options(style=style, num_worlds=40)
    assert LOADER.load(Source(options=options)) == generate(40, style=style)
    assert LOADER.options().style == "encyclopedia"
    with pytest.raises(ValidationError, match="style"):
        LOADER.options(style="novel")


# --- the data set as a whole ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style_name", "question", "document", "group"),
    [
        ("encyclopedia", "fic-0001-1", "fic-0001-d2", "world-0001"),
        ("biomedical", "bio-0001-1", "bio-0001-d2", "study-0001"),
        ("papers", "pap-0001-1", "pap-0001-d2", "paper-0001"),
    ],
)
def test_names(style_name, question, document, group):
    data = generate(style=style_name)
    assert (data.questions[0].id, data.documents[1].doc_id) == (question, document)
    assert data.questions[0].group == data.documents[0].scope == group


def test_ids_and_order(dataset):
    for ids in ([q.id for q in dataset.questions], [d.doc_id for d in dataset.documents]):
        assert len(set(ids)) == len(ids)
        assert ids == sorted(ids)
    assert all(world_of(q.id) == world_of(q.group) for q in dataset.questions)
    assert all(q.scope == q.group for q in dataset.questions)


def test_questions_and_titles_are_unique(dataset, style):
    # The generic questions about papers differ by paper only.
    asked = {(q.question, q.scope if style == "papers" else "") for q in dataset.questions}
    assert len(asked) == len(dataset.questions)
    assert len({d.title for d in dataset.documents}) == len(dataset.documents)


@pytest.mark.parametrize(
    ("style_name", "expected"),
    [
        ("encyclopedia", {"factoid": 0.55, "list": 0.20, "summary": 0.15, "yesno": 0.10}),
        ("biomedical", {"factoid": 0.32, "list": 0.20, "summary": 0.23, "yesno": 0.25}),
        (
            "papers",
            {"factoid": 0.31, "list": 0.2, "summary": 0.23, "yesno": 0.13, "unanswerable": 0.13},
        ),
    ],
)
def test_sizes_and_shares_of_types(style_name, expected):
    questions = generate(style=style_name).questions
    assert len(questions) == 1800
    shares = {t: n / 1800 for t, n in Counter(q.answer_type for q in questions).items()}
    assert shares == pytest.approx(expected, abs=0.03)
    assert any(len(q.gold_doc_ids) == 2 for q in questions if q.answer_type == "summary")


def test_yes_and_no_are_balanced_in_every_pair(dataset, style):
    pairs = defaultdict(Counter)
    for question in dataset.questions:
        if question.answer_type == "yesno":
            pairs[(world_of(question.id) - 1) // 2][question.answers] += 1
    for answers in pairs.values():
        assert set(answers) == {("Yes",), ("No",)}
        assert answers[("Yes",)] == answers[("No",)] <= (2 if style == "biomedical" else 1)


def test_first_words_of_questions_vary(dataset):
    first = Counter(q.question.split()[0] for q in dataset.questions)
    assert len(first) >= 15
    assert max(first.values()) / len(dataset.questions) < 0.3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_documents_are_short(style, seed):
    # All word pieces fit into the 256 that the embedding model reads: about 1.5 per word.
    lengths = [len(d.text.split()) for d in generate(100, seed, style).documents]
    assert min(lengths) >= (75 if style == "biomedical" else 45)
    assert max(lengths) <= {"encyclopedia": 85, "biomedical": 125, "papers": 105}[style]


# --- right answers -------------------------------------------------------------------------------


def test_key_points_stand_in_gold_documents_reference_and_rewording(answered, texts):
    for question in answered:
        assert question.key_points
        assert all(has_words(question.rewording, fact) for fact in facts(question)), question
        assert all(has_words(question.reference, fact) for fact in facts(question)), question
        if question.answer_type == "yesno":
            assert question.key_points == (question.answers,)
            continue
        gold = [texts[doc_id] for doc_id in question.gold_doc_ids]
        for fact in facts(question):
            assert any(has_words(text, fact) for text in gold), question
            assert not question.answers or has_words(question.answers[0], fact), question


def test_number_of_key_points_fits_the_type(answered):
    allowed = {"factoid": {1}, "yesno": {1}, "list": {2, 3}, "summary": {2, 3}}
    for question in answered:
        assert len(set(facts(question))) == len(question.key_points)
        assert len(question.key_points) in allowed[question.answer_type]


def test_gold_documents_are_of_the_questions_world(answered, texts):
    for question in answered:
        assert question.gold_doc_ids
        for doc_id in question.gold_doc_ids:
            assert doc_id in texts
            assert world_of(doc_id) == world_of(question.id)


def test_answers_are_short_and_distinct(dataset):
    for question in dataset.questions:
        assert len(set(question.answers)) == len(question.answers)
        assert all(len(answer.split()) <= 20 for answer in question.answers)


def test_reference_is_a_sentence_where_the_style_says_so(dataset, style):
    for question in dataset.questions:
        if question.answer_type not in STYLES[style].in_sentences:
            assert question.reference == question.answers[0]
            continue
        assert question.reference[0].isupper()
        assert question.reference.endswith(".")
        assert len(question.reference.split()) >= 4
        assert bool(question.answers) == (question.answer_type != "summary")


def test_rewording_is_a_sentence_of_its_own(answered, texts):
    for question in answered:
        assert question.rewording not in (question.reference, *question.answers)
        assert question.rewording[0].isupper()
        assert question.rewording.endswith(".")
        assert len(question.rewording.split()) >= 3
        for sentence in (question.rewording, question.reference):
            if sentence.endswith("."):
                assert not any(sentence in texts[doc_id] for doc_id in question.gold_doc_ids)


def test_no_answer_in_its_own_question(answered):
    for question in answered:
        if question.answer_type != "yesno":
            assert not any(has_words(question.question, f) for f in facts(question)), question


def test_only_the_gold_documents_of_a_world_hold_the_answer(answered, dataset, texts, style):
    titles = {document.title for document in dataset.documents}
    by_world = defaultdict(dict)
    for doc_id, text in texts.items():
        by_world[world_of(doc_id)][doc_id] = text
    for question in answered:
        if question.answer_type == "yesno":
            continue
        if style == "encyclopedia" and question.answer_type != "factoid":
            continue
        # A person with a document of their own is of course named there too.
        for fact in set(facts(question)) - titles:
            for doc_id, text in by_world[world_of(question.id)].items():
                if doc_id not in question.gold_doc_ids:
                    assert not has_words(text, fact), (question, doc_id)


def test_number_that_answers_is_not_the_only_one_in_its_document(answered, texts):
    for question in answered:
        fact = facts(question)[0]
        if question.answer_type == "factoid" and fact[0].isdigit():
            text = next(t for d, t in texts.items() if d in question.gold_doc_ids and fact in t)
            assert len(set(re.findall(r"\d+", text))) >= 2


@each_kind
def test_every_factoid_answer_has_a_rival_of_its_type_in_its_document(kind):
    for relation in kind.relations:
        if relation.answer_type != "factoid":
            continue
        (answer,) = relation.points
        for page in (kind.pages[name] for name in relation.pages):
            always = set()
            for wordings in (page.lead, *page.body.values()):
                always |= set.intersection(*(slots_of(wording) for wording in wordings))
            if answer in always:
                rivals = {
                    slot
                    for slot in (always & set(kind.slots)) - {answer}
                    if type_of_slot(kind, slot) == type_of_slot(kind, answer)
                }
                assert rivals, (kind.name, relation)


def test_other_answer_makes_the_gold_documents_counterfactual(answered, dataset, texts, style):
    titles = {document.doc_id: document.title for document in dataset.documents}
    for question in answered:
        if question.answer_type != "factoid":
            assert "other_answer" not in question.extra
            continue
        other = question.extra["other_answer"]
        (fact,) = facts(question)
        assert question.answers[0] == fact
        assert other not in question.answers
        for doc_id in question.gold_doc_ids:
            assert not has_words(texts[doc_id], other), question
            assert not has_words(titles[doc_id], fact), question
            assert not has_words(texts[doc_id].replace(fact, other), fact), question
            if style != "encyclopedia":  # there, "tin" stands in "printing"
                whole = re.findall(rf"(?<!\w){re.escape(fact)}(?!\w)", texts[doc_id])
                assert len(whole) == texts[doc_id].count(fact), question
        assert any(fact in texts[doc_id] for doc_id in question.gold_doc_ids)
        if fact[0].isdigit():  # the same unit
            assert fact.partition(" ")[2] == other.partition(" ")[2]


# --- questions without an answer -----------------------------------------------------------------


def test_unanswerable_questions_are_a_share_of_those_about_papers(dataset, style):
    questions = [q for q in dataset.questions if q.answer_type == "unanswerable"]
    assert bool(questions) == (style == "papers")
    assert not questions or 0.10 <= len(questions) / len(dataset.questions) <= 0.15
    for question in questions:
        assert question.answers == NO_ANSWER
        assert (question.gold_doc_ids, question.key_points) == ((), ())
        assert question.rewording is None


@pytest.mark.parametrize("kind", STYLES["papers"].kinds, ids=lambda kind: kind.name)
def test_what_an_unanswerable_question_asks_is_said_nowhere_in_its_paper(kind):
    data = generate(style="papers")
    kinds = STYLES["papers"].kinds
    said = defaultdict(str)
    for document in data.documents:
        said[document.scope] += document.text + "\n"
    seen = Counter()
    for question in data.questions:
        if kinds[(world_of(question.id) - 1) // 2 % len(kinds)] is not kind:
            continue
        for number, relation in enumerate(kind.relations):
            asked = any(as_pattern(w).fullmatch(question.question) for w in relation.questions)
            if not asked or relation.statement is None:
                continue
            wordings = kind.pages[relation.pages[0]].body[relation.statement]
            is_said = any(as_pattern(w).search(said[question.scope]) for w in wordings)
            assert is_said == (question.answer_type != "unanswerable"), question
            seen[number, is_said] += 1
    # The same things are asked of papers that say them and of papers that do not.
    assert len({number for number, _ in seen}) >= 5
    assert all(seen[number, is_said] >= 3 for number, _ in seen for is_said in (True, False))


@each_kind
def test_a_statement_that_can_be_left_out_serves_one_relation(kind):
    for relation in kind.relations:
        if relation.statement is None:
            continue
        page = kind.pages[relation.pages[0]]
        groups = {"": page.lead, **page.body}
        slots = set().union(*(slots_of(w) for w in groups.pop(relation.statement)))
        assert not slots & set().union(
            *(slots_of(w) for group in groups.values() for w in group)
        ) - {"method", "corpus"}
        for other in kind.relations:
            assert other is relation or not slots & {*other.points, other.wrong}, other


# --- papers --------------------------------------------------------------------------------------


def test_half_of_the_questions_name_their_paper():
    data = generate(style="papers")
    titles = {d.scope: d.title for d in data.documents}
    named = [titles[q.scope].split(":")[0] in q.question for q in data.questions]
    assert sum(named) / len(named) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("kind", STYLES["papers"].kinds, ids=lambda kind: kind.name)
def test_the_first_half_of_the_wordings_names_the_paper(kind):
    (name,) = slots_of(kind.pages["introduction"].title.split(":")[0])
    for relation in kind.relations:
        named = [name in slots_of(wording) for wording in relation.questions]
        half = len(named) // 2
        assert named == [True] * half + [False] * half
        assert all(slots_of(w) <= {"value"} for w in relation.questions[half:])


def test_papers_have_sections_and_answer_kinds():
    data = generate(style="papers")
    sections = defaultdict(list)
    for document in data.documents:
        title, _, section = document.title.rpartition(" — ")
        sections[document.scope, title].append(section)
    assert len(sections) == 300
    assert all(s[0] == "Introduction" and s[-1] == "Conclusion" for s in sections.values())
    assert {len(s) for s in sections.values()} == {6}
    kinds = {(q.answer_type, q.extra["answer_kind"]) for q in data.questions}
    assert kinds == {
        ("factoid", "extractive"),
        ("list", "extractive"),
        ("summary", "free_form"),
        ("yesno", "yes_no"),
        ("unanswerable", "unanswerable"),
    }


# --- twins ---------------------------------------------------------------------------------------


def test_twin_names_differ_by_little_and_twin_facts_in_everything(answered, dataset):
    by_world = defaultdict(list)
    for document in dataset.documents:
        by_world[world_of(document.doc_id)].append(document.title)
    points = defaultdict(set)
    for question in answered:
        if question.answer_type != "yesno":
            points[world_of(question.group)] |= set(facts(question))
    for world in range(1, 301, 2):
        for one, other in zip(by_world[world], by_world[world + 1], strict=True):
            assert one != other
            assert SequenceMatcher(None, one, other).ratio() >= 0.75
        assert not points[world] & points[world + 1]


# --- wording -------------------------------------------------------------------------------------


@each_kind
def test_every_relation_and_statement_is_produced_in_three_wordings(kind):
    questions, documents = text_of_kind(kind)
    assert len(kind.relations) >= 8
    for relation in kind.relations:
        found = [w for w in relation.questions if any(map(as_pattern(w).fullmatch, questions))]
        assert len(set(found)) >= 3, relation
    for page in kind.pages.values():
        for wordings in (page.lead, *page.body.values()):
            found = [w for w in wordings if as_pattern(w).search(documents)]
            assert len(set(found)) >= 3, wordings


def test_no_trace_of_templates(all_strings):
    for text in all_strings:
        assert not set("{}") & set(text), text
        assert "  " not in text, text
        assert text == text.strip()


def test_sentences_are_well_formed(dataset):
    sentences = [d.text for d in dataset.documents] + [q.question for q in dataset.questions]
    sentences += [q.rewording for q in dataset.questions if q.rewording]
    for text in sentences:
        assert text[0].isupper()
        assert text[-1] in ".?"
        assert not re.search(r"[.?] [a-z]|\.\.|,,| [,.;?]", text), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiouA]", text), text
        # Figures do not begin a sentence.
        assert not re.search(r"[.?] \d", text), text


@each_kind
def test_every_slot_is_drawn_and_word_lists_suffice_for_two_worlds(kind):
    picks = Counter(arguments[0] for draw, *arguments in kind.slots.values() if draw == "pick")
    for name, count in picks.items():
        assert len(set(WORDS[name])) == len(WORDS[name]) >= 2 * count, (kind.name, name)
    drawn = " ".join(
        w for page in kind.pages.values() for g in (page.lead, *page.body.values()) for w in g
    )
    drawn += " ".join(page.title for page in kind.pages.values())
    assert set(kind.slots) <= slots_of(drawn), kind.name


@pytest.mark.parametrize("kind", KINDS[4:], ids=lambda kind: kind.name)
def test_no_entry_of_a_word_list_stands_elsewhere_in_the_documents(kind):
    lists = defaultdict(set)
    for slot, (draw, *arguments) in kind.slots.items():
        if draw in ("pick", "twin_pick"):
            lists[arguments[0]].add(slot)
    asked = {slot for relation in kind.relations for slot in (*relation.points, relation.wrong)}
    fixed = [
        w
        for page in kind.pages.values()
        for g in (page.lead, *page.body.values(), page.fillers)
        for w in g
    ]
    for name, slots in lists.items():
        others = [entry for other in lists if other != name for entry in WORDS[other]]
        for entry in WORDS[name] if slots & asked else ():
            assert not [text for text in (*fixed, *others) if has_words(text, entry)], entry


def test_every_word_list_is_drawn_from():
    used = {
        arguments[0]
        for kind in KINDS
        for draw, *arguments in kind.slots.values()
        if draw in ("pick", "twin_pick")
    }
    assert used == set(WORDS)


def test_names_do_not_run_out(style):
    large = generate(1000, style=style)
    assert len({d.title for d in large.documents}) == len(large.documents)


# --- the files -----------------------------------------------------------------------------------


@pytest.fixture
def town(tmp_path):
    """Read the town with one passage of its file replaced."""

    def read(old: str, new: str):
        text = (worlds.FOLDER / "worlds" / "town.yaml").read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "town.yaml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return worlds.read_kind(path)

    return read


@pytest.mark.parametrize("name", ["encyclopedia", "biomedical", "papers"])
def test_only_the_worlds_of_the_style_in_use_are_read(name):
    code = (
        "from rag_study.common import files; read, names = files.read_yaml, []\n"
        "files.read_yaml = lambda path: names.append(path.stem) or read(path)\n"
        "from rag_study.data.sources import fictional; print(names)\n"
        f"[fictional.generate(10, seed, {name!r}) for seed in (0, 1)]; print(*sorted(names))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["[]", " ".join(sorted([*STYLES[name].worlds, "words"]))]


def test_each_file_is_a_world_of_one_style():
    stems = sorted(path.stem for path in (worlds.FOLDER / "worlds").iterdir())
    assert stems == sorted(kind.name for kind in KINDS)


def test_a_line_more_is_a_wording_more(town):
    old = "When did {town} receive its charter?"
    questions = town(old, f"{old}\n\n      Since when: {{town}}'s charter # of old?  ").relations[0]
    assert questions.questions[:2] == (old, "Since when: {town}'s charter # of old?")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points: [charter]", "points: [chartre]", "no 'chartre'; did you mean 'charter'?"),
        ("pages: [town]", "pages: [twon]", "no 'twon'; did you mean 'town'?"),
        ("wrong: no_export", "wrong: no_exports", "no 'no_exports'; did you mean 'no_export'?"),
        ("wrong: no_export", "reference: x", "`wrong` is needed for the type yesno"),
        ("points: [charter]", "points: [charter, walls]", "a factoid has one of `points`"),
        ("points: [charter]", "statement: chart", "the key 'points' is required"),
        ("points: [charter]", "points: [charter]\n    statement: chart", "no 'chart'; did you"),
        ("pages: [town, bridge]", "pages: [town, bridge]\n    statement: mayor", "one page"),
        ("answer_type: yesno", "answer_type: yes", "'yes' is not allowed"),
        ("    lead: |", "    leed: |", "unknown key 'leed'; did you mean 'lead'?"),
        ("    questions: |", "    questions:", "3 wordings are needed, each on a line"),
        ("also: |\n      a {prize}", "also:\n      - a {prize}", "on a line of its own below"),
        ("export {value}?", "export {values}?", 'in "Did {town} export {values}?": there is no'),
        ("Yes, {right} was", "Yes, {value} was", "there is no 'value'"),
        ("its walls in {walls}.", "its walls in {wall}.", "no 'wall'; did you mean 'walls'?"),
        ("its walls in {walls}.", "its walls in {walls.", "expected '}'"),
        ("its walls in {walls}.", "its walls in {}.", "there is no ''"),
        ("[year, 1605, 1780]", "[yaer, 1605, 1780]", "no draw 'yaer'; did you mean 'year'?"),
        ("[year, 1605, 1780]", "[year, 1605]", "[year, charter, 40, 150]"),
        ("[year, 1605, 1780]", '[year, "1605", "1780"]', "[year, charter, 40, 150]"),
        ("[year, 1605, 1780]", "[year, 1780, 1605]", "the lower bound 1780 is above"),
        ("[year, 1605, 1780]", "", "there is no draw 'None'"),
        ("[year, charter, 40, 150]", "[year, flood, 40, 150]", "no 'flood'; known: charter"),
        ("[pick, months]", "[pick, month]", "no 'month'; did you mean 'months'?"),
        ('title: "{town}"', "title: {town}", "pages.town.title: input should be a valid string"),
        ('title: "{town}"', "title: {town} itself", ": this is not valid YAML"),
        ("    fillers: |", "    lead: |", "duplicate key"),
    ],
)
def test_a_mistake_in_a_world_is_named(town, old, new, message):
    with pytest.raises(StudyError) as refusal:
        town(old, new)
    assert message in str(refusal.value)
    assert "town.yaml" in str(refusal.value)


def test_a_file_that_is_no_mapping_or_no_text_is_refused(tmp_path):
    (tmp_path / "town.yaml").write_text("- a town")
    with pytest.raises(StudyError, match=r"`slots: \.\.\.`, `pages: \.\.\.`, `relations: \.\.\.`"):
        worlds.read_kind(tmp_path / "town.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        worlds.read_kind(tmp_path / "village.yaml")


@pytest.fixture
def generate_towns(monkeypatch):
    """Generate two worlds of a kind that is not in the package."""

    def generate_from(kind, **changes):
        style = dataclasses.replace(STYLES["encyclopedia"], **changes)
        vars(style)["kinds"] = (kind,)
        monkeypatch.setitem(STYLES, "encyclopedia", style)
        return fictional.generate(2)

    return generate_from


def test_values_that_do_not_suffice_for_two_worlds_are_named(town, generate_towns):
    def more_dishes(number):
        slots = "".join(f"  dish{i}: [pick, dishes]\n" for i in range(number))
        return town("pages:\n", f"{slots}\npages:\n")

    # The list has 8 dishes, and a town has 2 already.
    assert generate_towns(more_dishes(2)).questions
    with pytest.raises(StudyError, match=r"`dishes` of words\.yaml has too few entries"):
        generate_towns(more_dishes(3))
    with pytest.raises(StudyError, match="from 12 metres to 12 metres"):
        generate_towns(town("[number, 12, 29, metres]", "[number, 12, 12, metres]"))


def test_relations_and_rewordings_that_do_not_suffice_are_named(town, generate_towns):
    kind, per_world = town("", ""), {"yesno": 1, "summary": 1, "list": 1}
    relations = tuple(r for r in kind.relations if r.answer_type != "list")
    without_lists = kind.model_copy(update={"relations": relations})
    with pytest.raises(StudyError, match=r"town\.yaml, relations of the type list: there are 0"):
        generate_towns(without_lists, per_world=per_world)
    with pytest.raises(StudyError, match=r'rewordings for ".*" of .*: there are 1, 2 are needed'):
        generate_towns(kind, per_world=per_world, in_sentences={"yesno"})
    with pytest.raises(StudyError, match="relations with a `statement`: there are 0"):
        generate_towns(kind, per_world=per_world | {"unanswerable": 1})
