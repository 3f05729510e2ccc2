"""Questions from documents, with a server on loopback that plays the model by rule."""

import pytest
import writing_server
from writing_server import WritingServer, text_of

from rag_study import data
from rag_study.common.errors import StudyError
from rag_study.common.files import read_jsonl, write_jsonl
from rag_study.data.schema import NO_ANSWER, WRITTEN_BY, Document
from rag_study.models import api_key
from rag_study.questions import checks, making, writer
from rag_study.questions.kinds import KINDS
from rag_study.questions.making import Making
from rag_study.questions.passages import Places, groups_of
from rag_study.questions.store import Store


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve():
    servers = []

    def start(**rules):
        servers.append(WritingServer(**rules))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def towers(number=12):
    return [Document(f"t{i}", f"Tower {i}", text_of(i)) for i in range(number)]


def make(server, folder, asked, documents=None, tries=1, told=None):
    with Store(folder) as store, writer.open_writer(server.model) as opened:
        places = Places(documents or towers(), 100)
        extra = {} if told is None else {"told": told}
        try:
            Making(store, places, opened, server.model, **extra).make(asked, tries)
        finally:
            store.write()
        return store


def reasons(store):
    """Tower -> reason, of one try each."""
    return {int(row["passages"][0].split()[1]): row["reason"] for row in store.tries}


def test_each_check_drops_what_it_is_for_and_nothing_else(serve, tmp_path):
    writes = {
        1: "Here is a nice text about towers.",
        2: "Question: Who built Tower 2 according to the passage?\nAnswer: Person 2",
        3: "Question: Who built Tower 3?\nAnswer: Person 33",
        4: "Question: Who built Tower 4, Person 4?\nAnswer: Person 4",
        5: "Question: When did he build it?\nAnswer: grey stone",
        6: "Question: Who built Tower 0?\nAnswer: Person 6",
        7: f"Question: Who built Tower 7?\nAnswer: {text_of(7)}",
        8: "Question: Tower 8 was built by Person 8.\nAnswer: Person 8",
    }
    server = serve(writes=writes | {0: writing_server.factoid}, knows={9}, misreads={10})
    store = make(server, tmp_path / "made", {"factoid": 12})
    found = reasons(store)
    # Of two that ask the same the later one goes.
    assert sorted([found.pop(0), found.pop(6)])[-1] in (checks.DUPLICATE, checks.NOT_ANSWERED)
    assert found == {
        1: checks.NO_REPLY,
        2: checks.ABOUT_THE_PASSAGE,
        3: checks.NOT_IN_PASSAGE,
        4: checks.GIVEN_AWAY,
        5: checks.NOT_BY_ITSELF,
        7: checks.NO_FORM,
        8: checks.NO_QUESTION,
        9: checks.KNOWN,
        10: checks.NOT_ANSWERED,
        11: "",
    }


def test_a_kept_question_says_where_it_is_from_and_who_wrote_it(serve, tmp_path):
    server = serve()
    store = make(server, tmp_path / "made", {"factoid": 3})
    rows = read_jsonl(tmp_path / "made" / "questions.jsonl")
    assert len(rows) == 3
    number = int(rows[0]["question"].removesuffix("?").split()[-1])
    assert rows[0]["answers"] == [f"Person {number}"]
    assert rows[0]["gold_doc_ids"] == [f"t{number}"]
    assert rows[0]["group"] == f"Tower {number}"
    assert rows[0][WRITTEN_BY] == server.model
    assert rows[0]["written_from"] == [f"Tower {number}\n{text_of(number)}"]
    assert {row["reason"] for row in store.tries} == {""}


def test_the_second_reading_sees_the_passage_and_the_closed_book_none(serve, tmp_path):
    server = serve()
    make(server, tmp_path / "made", {"factoid": 1})
    texts = [body["messages"][-1]["content"] for body in server.requests]
    assert len(texts) == 3
    number = server.writings[0]
    assert text_of(number) in texts[0]
    assert text_of(number) in texts[1]
    assert texts[1].endswith("as few words as possible, without explanation.")
    assert text_of(number) not in texts[2]
    assert f"Who built Tower {number}?" in texts[2]


def test_other_kinds_have_the_form_that_a_study_reads(serve, tmp_path):
    def listed(number):
        return f"Question: Tower {number} is made of what?\nAnswer: grey stone; iron{number}; oak"

    def summed(number):
        return (
            f"**Question:** Describe how Tower {number} came to be.?\n**Answer:** Tower {number} "
            f"was built by Person {number} of grey stone and of oak.\n"
            f"**Points:** Person {number}; grey stone"
        )

    server = serve(writes=dict.fromkeys(range(12), listed))
    make(server, tmp_path / "lists", {"list": 2})
    row = read_jsonl(tmp_path / "lists" / "questions.jsonl")[0]
    number = row["question"].split()[1]
    assert row["key_points"] == [["grey stone"], [f"iron{number}"], ["oak"]]
    assert row["answer_type"] == "list"

    server = serve(writes=dict.fromkeys(range(12), summed))
    make(server, tmp_path / "summaries", {"summary": 1})
    row = read_jsonl(tmp_path / "summaries" / "questions.jsonl")[0]
    assert row["answers"] == []
    assert row["reference"].startswith("Tower")
    assert len(row["key_points"]) == 2
    entailed = [b for b in server.requests if "Is everything" in b["messages"][-1]["content"]]
    assert len(entailed) == 1


def test_yes_no_questions_have_the_answer_that_was_asked_for(serve, tmp_path):
    server = serve(
        writes={i: f"Question: Does Tower {i} have 1 step?\nAnswer: no" for i in range(12)}
    )
    store = make(server, tmp_path / "made", {"yes_no": 12})
    found = {row["reason"] for row in store.tries}
    assert checks.NO_FORM in found  # where yes was asked for
    assert all("no" in row["question"]["answers"] for row in store.kept)
    assert store.kept


def test_what_nothing_answers_is_kept_where_a_search_does_not_answer_it(serve, tmp_path):
    writes = {
        0: "Question: Who built Tower 5?",  # which another document says
        1: "Question: How old is the clock of Tower 1?",
        2: "Question: Who built Tower 2?",  # which its own passage says
    }
    documents = [d for d in towers() if d.doc_id in ("t0", "t1", "t2", "t5")]
    writes[5] = "Question: What did the bell of Tower 5 cost?"
    store = make(serve(writes=writes), tmp_path / "made", {"unanswerable": 4}, documents)
    assert reasons(store) == {0: checks.NOT_ANSWERED, 1: "", 2: checks.NOT_ANSWERED, 5: ""}
    row = store.kept[0]["question"]
    assert row["answer_type"] == "unanswerable"
    assert row["reference"] == "The question cannot be answered from the documents."


def test_two_documents_are_needed_and_tied_together(serve, tmp_path):
    server = serve()  # asks who built the first tower: the first passage is enough
    store = make(server, tmp_path / "made", {"two_documents": 2})
    assert {row["reason"] for row in store.tries} == {checks.ONE_IS_ENOUGH}

    class Both(WritingServer):
        def answers(self, passages, question):
            both = passages.count(" stands in ") == 2
            return super().answers(passages, question) if both else writing_server.UNKNOWN

    server = Both()
    try:
        store = make(server, tmp_path / "both", {"two_documents": 3})
    finally:
        server.close()
    rows = read_jsonl(tmp_path / "both" / "questions.jsonl")
    assert len(rows) == 3
    assert all(len(row["gold_doc_ids"]) == 2 for row in rows)
    assert len({doc_id for row in rows for doc_id in row["gold_doc_ids"]}) == 6
    assert len({row["group"] for row in rows}) == 3


def test_an_interrupt_loses_nothing_and_nothing_is_asked_twice(serve, tmp_path):
    server = serve(knows=range(0, 40, 2))
    documents = towers(40)

    def stop(kept, asked, tries):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(server, tmp_path / "made", {"factoid": 18}, documents, tries=3, told=stop)
    first = len(server.writings)
    assert 0 < first < 40
    assert len(read_jsonl(tmp_path / "made" / "tries.jsonl")) == first
    store = make(server, tmp_path / "made", {"factoid": 18}, documents, tries=3)
    assert len(store.kept) >= 18
    assert len(server.writings) == len(set(server.writings))
    asked = len(server.requests)
    make(server, tmp_path / "made", {"factoid": 18}, documents, tries=3)
    assert len(server.requests) == asked
    make(server, tmp_path / "made", {"factoid": 20}, documents, tries=3)
    assert len(server.writings) == len(set(server.writings)) > first


def test_what_people_strike_out_is_made_up_for_by_others(serve, tmp_path):
    server = serve()
    store = make(server, tmp_path / "made", {"factoid": 5})
    gone = [row["question"]["id"] for row in store.kept[:2]]
    store.review({question_id: {"verdict": "struck_out"} for question_id in gone})
    assert len(read_jsonl(tmp_path / "made" / "questions.jsonl")) == 3
    make(server, tmp_path / "made", {"factoid": 5}, tries=2)
    rows = read_jsonl(tmp_path / "made" / "questions.jsonl")
    assert len(rows) == 5
    assert not {row["id"] for row in rows} & {*gone}
    assert rows[0]["reviewed"] == {"read": 2, "struck_out": 2, "mended": 0}


def test_every_kind_is_read_by_a_study_as_it_was_written(serve, tmp_path):
    writes = {
        "factoid": writing_server.factoid,
        "yes_no": lambda n: f"Question: Does Tower {n} have 1 step?\nAnswer: no",
        "list": lambda n: f"Question: Tower {n} is made of what?\nAnswer: grey stone; oak",
        "summary": lambda n: (
            f"Question: Describe it, how came Tower {n} to be?\nAnswer: Person {n} built it of "
            f"grey stone and of oak.\nPoints: Person {n}; grey stone"
        ),
        "unanswerable": lambda n: f"Question: How old is the clock of Tower {n}?",
    }
    kinds = {}
    for kind, write in writes.items():
        server = serve(writes=dict.fromkeys(range(12), write))
        folder = tmp_path / kind
        make(server, folder, {kind: 2}, tries=4)
        documents = [{"doc_id": d.doc_id, "title": d.title, "text": d.text} for d in towers()]
        write_jsonl(folder / "corpus.jsonl", documents)
        dataset = data.load("own", str(folder / "questions.jsonl"), str(folder / "corpus.jsonl"))
        assert not dataset.dropped
        kinds[kind] = dataset.questions
    types = {kind: questions[0].answer_type for kind, questions in kinds.items()}
    assert types == {k: v for k, v in KINDS.items() if k != "two_documents"}
    for questions in kinds.values():
        assert len(questions) == 2
        assert questions[0].extra[WRITTEN_BY]
        assert questions[0].gold_doc_ids
        assert checks.is_right(questions[0].reference, questions[0])
    assert kinds["unanswerable"][0].answers == NO_ANSWER


def test_a_line_that_was_cut_is_made_again_and_a_damaged_one_told(serve, tmp_path):
    server = serve()
    make(server, tmp_path / "made", {"factoid": 3})
    file = tmp_path / "made" / "tries.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], lines[2][:40]]))
    store = make(server, tmp_path / "made", {"factoid": 3})
    assert len(store.kept) == 3
    assert len(file.read_text().splitlines()) == 3
    file.write_text("\n".join([lines[0][:30], *lines[1:], ""]))
    with pytest.raises(StudyError, match=r"tries\.jsonl, line 1: is damaged"):
        make(server, tmp_path / "made", {"factoid": 3})


def test_what_was_made_before_the_server_failed_is_kept(serve, tmp_path):
    server = serve()

    def fail(kept, asked, tries):
        server.failing = True

    with pytest.raises(StudyError, match="401"):
        make(server, tmp_path / "made", {"factoid": 30}, towers(30), told=fail)
    assert len(read_jsonl(tmp_path / "made" / "questions.jsonl")) == writer.BATCH_SERVED


def test_a_second_question_of_a_passage_is_told_the_first(serve, tmp_path):
    server = serve(knows={0})
    make(server, tmp_path / "made", {"factoid": 3}, towers(2), tries=3)
    texts = [body["messages"][-1]["content"] for body in server.requests]
    again = [t for t in texts if "Ask something else than:" in t]
    assert any("- Who built Tower 1?" in text for text in again)
    assert server.requests[0]["temperature"] == 0.0
    later = [b for b in server.requests if "Ask something else" in b["messages"][-1]["content"]]
    assert {b["temperature"] for b in later} == {writer.TEMPERATURE}


def test_other_documents_or_another_model_are_not_mixed_in(tmp_path):
    with Store(tmp_path) as store:
        store.settle(documents="abc", model="one")
        store.settle(documents="abc", model="one")
        with pytest.raises(StudyError, match="of another model"):
            store.settle(documents="abc", model="two")
        with pytest.raises(StudyError, match="another process"), Store(tmp_path):
            pass


def test_passages_are_spread_over_groups_and_copies_give_none():
    pages = [
        Document(f"{name}:{page}", name, text_of(page), extra={"file": name})
        for name, number in (("long.pdf", 30), ("a.pdf", 2), ("b.pdf", 1))
        for page in range(number)
    ]
    copy = Document("copy", "Copy", text_of(1), copy_of="long.pdf:1")
    places = Places([*pages, copy, Document("short", "", "Too short.")], 100)
    assert {place.group for place in places.all[:3]} == {"long.pdf", "a.pdf", "b.pdf"}
    assert len(places.all) == 33
    assert len(Places(pages, 5).all) == 5
    with pytest.raises(StudyError, match="nothing to ask"):
        Places([Document("short", "", "Too short.")], 5)


def test_rows_of_one_article_are_one_group_and_common_titles_none():
    titles = [*["Lugo"] * 3, *["FAQ"] * 40, "", "Ulm"]
    documents = [Document(f"d{i}", title, text_of(i)) for i, title in enumerate(titles)]
    assert groups_of(documents)[:4] == ["Lugo", "Lugo", "Lugo", "d3"]
    assert groups_of(documents)[-2:] == ["d43", "Ulm"]
    scoped = Document("s", "Lugo", text_of(1), scope="contract 7")
    assert groups_of([scoped]) == ["contract 7"]


def test_the_cost_grows_with_tries_and_kinds():
    places = Places(towers(), 100)
    one = making.cost(places, {"factoid": 10}, 1)
    more = making.cost(places, {"factoid": 10}, 4)
    assert (one.least_calls, one.most_calls) == (30, 30)
    assert more.most_calls == 120
    assert more.most_read == 4 * one.least_read > 0
    two = making.cost(places, {"two_documents": 10}, 1)
    assert two.least_calls == 50
    assert two.least_read > one.least_read
    assert making.shares(10, ["factoid", "list", "summary"]) == {
        "factoid": 4,
        "list": 3,
        "summary": 3,
    }


def test_a_model_on_this_machine_goes_the_same_way(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(writer.loading, "load_generator", lambda name, dtype: tiny)
    with Store(tmp_path) as store, writer.open_writer("random-llama") as opened:
        places = Places([Document("t", "Tower 1", "A tower of stone. " * 10)], 10)
        Making(store, places, opened, "random-llama").make({"factoid": 1, "summary": 1}, 2)
        assert len(store.tries) == 4
        assert {row["reason"] for row in store.tries} <= {*checks.REASONS}
        said = opened.answers([making.Question("q", "Who?", ("",))], [()], 4)
        assert isinstance(said[0], str)
