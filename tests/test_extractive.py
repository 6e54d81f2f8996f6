"""Answering without a language model: word for word from the documents, cited, or not at all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergraph.documents import Document
from tiergraph.errors import InputError
from tiergraph.extractive import UNSURE, Bm25Retriever, compose, quote
from tiergraph.extractive.passages import MAX_SENTENCES, split
from tiergraph.extractive.questions import aspects, in_context
from tiergraph.extractive.sentences import all_sentences, sentences
from tiergraph.extractive.words import nearest, stem, stems

LIBRARY = [
    Document(
        id="loans",
        title="Borrowing books",
        text="A card is needed to borrow.\n\n## How long\n\nA book can be kept for 21 days. A film can be kept for 7 "
        "days. Each loan can be extended twice.\n\n## Late books\n\nA late book costs £0.20 a day. The fee ends at £5.",
    ),
    Document(
        id="rooms",
        title="Study rooms",
        text="Four study rooms are on the second floor.\n\n## Booking\n\nTo book a room:\n\n- Open the calendar on the "
        "website.\n- Choose a room.\n- Enter your card number.\n\n## Rules\n\nFood is not allowed. Water is fine.",
    ),
    Document(
        id="printing",
        title="Printing",
        text="A printed page costs £0.10. Colour costs £0.40. Printers stand beside the entrance.",
    ),
]
TEXTS = st.text(max_size=200) | st.text(alphabet="ab .!?\n#-1[]é。退", max_size=120)


def without_citations(text: str, documents: list[Document]) -> str:
    for document in documents:
        text = text.replace(f" [{document['id']}]", "")
    return text


@pytest.mark.parametrize(
    ("question", "held", "id"),
    [
        ("How long can I keep a film?", "7 days", "loans"),
        ("what does a late book cost", "£0.20 a day", "loans"),
        ("How do I book a room?", "Choose a room.", "rooms"),
        ("Where are the printers?", "beside the entrance", "printing"),
        ("Can I have food in the study rooms?", "Food is not allowed", "rooms"),
        ("how long may i keep a flim", "7 days", "loans"),
    ],
)
def test_quote_gives_the_passage_that_answers_and_cites_it(question: str, held: str, id: str) -> None:
    answer = quote(question, LIBRARY)
    assert held in answer.text
    assert answer.text.endswith(f" [{id}]")
    assert answer.citations == (id,)


@given(st.lists(TEXTS, max_size=3), TEXTS)
def test_what_quote_says_stands_in_a_document_word_for_word(texts: list[str], question: str) -> None:
    documents = [Document(id=f"d{n}", text=text) for n, text in enumerate(texts)]
    answer = quote(f"{question} {texts[0][:40] if texts else ''}", documents)
    if not answer.unsure:
        said = answer.text.removesuffix(f" [{answer.citations[0]}]")
        assert any(said in document["text"] for document in documents)


@given(st.lists(TEXTS, max_size=3), TEXTS)
def test_every_part_of_compose_stands_in_a_document_word_for_word(texts: list[str], question: str) -> None:
    documents = [Document(id=f"d{n}", text=text) for n, text in enumerate(texts)]
    answer = compose(f"{question} {texts[0][:40] if texts else ''}", documents)
    assert 0 <= answer.confidence <= 1
    assert answer.unsure == (not answer.citations)
    for id in answer.citations:
        assert f"[{id}]" in answer.text


def test_compose_adds_only_titles_headings_and_citations() -> None:
    said = without_citations(compose("How long is a loan, and what does a late book cost?", LIBRARY).text, LIBRARY)
    pieces = [piece for part in said.split("\n\n") for piece in part.split(":\n", 1)]
    assert pieces[0] == "Borrowing books - How long"
    assert all(piece in LIBRARY[0]["text"] for piece in pieces[1::2])


def test_compose_answers_each_of_several_questions() -> None:
    answer = compose("How do I book a study room? And also, what does a colour page cost?", LIBRARY)
    assert "Choose a room." in answer.text
    assert "Colour costs £0.40." in answer.text
    assert set(answer.citations) == {"rooms", "printing"}


def test_compose_repeats_no_passage() -> None:
    text = compose("What does a late book cost, and when does the late book fee end?", LIBRARY).text
    assert text.count("A late book costs") == 1


@pytest.mark.parametrize("question", ["Do you sell bicycles?", "", "???", "the of and", "🚲"])
@pytest.mark.parametrize("extract", [quote, compose])
def test_where_nothing_matches_they_give_up_in_one_word(question: str, extract: object) -> None:
    answer = extract(question, LIBRARY)  # type: ignore[operator]
    assert (answer.text, answer.citations, answer.confidence) == (UNSURE, (), 0.0)


def test_one_shared_word_of_many_is_no_answer() -> None:
    assert quote("Do you sell electric bicycles with a leather saddle and a printer?", LIBRARY).unsure


def test_a_passage_that_holds_the_kind_of_answer_wanted_goes_first() -> None:
    texts = [
        "Ask for a pool session at the desk beside the bell.",
        "A pool session lasts for 45 minutes and ends with a bell.",
    ]
    documents = [Document(id=f"d{n}", text=text) for n, text in enumerate(texts)]
    assert quote("How long is a pool session?", documents).citations == ("d1",)
    assert quote("Where is the pool session desk?", documents).citations == ("d0",)


@pytest.mark.parametrize("extract", [quote, compose])
def test_without_documents_they_give_up(extract: object) -> None:
    assert extract("How long?", []).text == UNSURE  # type: ignore[operator]
    assert extract("How long?", [Document(id="a", text=" \n")]).text == UNSURE  # type: ignore[operator]


def test_a_short_follow_up_is_read_with_the_turn_before() -> None:
    assert "7 days" in quote("and a film?", LIBRARY, history=["How long can I keep a book?"]).text
    assert quote("and for those?", LIBRARY).unsure


def test_a_question_that_stands_alone_ignores_the_turns_before() -> None:
    assert in_context("What does a printed colour page cost today?", ["How long is a loan?"]).startswith("What does")
    assert (
        in_context("and films?", ["Hello", "How long is a loan of books?"])
        == "How long is a loan of books?\nand films?"
    )


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("How long does it take and how much does delivery cost?", ["duration", "money"]),
        ("I moved house last week. How do I change my address?", ["steps"]),
        ("Where is the shop? When does the shop open?", ["place", "date"]),
        ("reset password", ["any"]),
    ],
)
def test_a_question_falls_into_its_aspects(question: str, kinds: list[str]) -> None:
    found = aspects(question)
    assert [aspect.kind for aspect in found] == kinds
    assert all(aspect.text in question for aspect in found)


def test_an_aspect_that_names_no_subject_takes_it_from_its_neighbour() -> None:
    assert "parcel" in aspects("My parcel is lost. How long should I wait?")[0].terms


@given(TEXTS)
def test_passages_are_parts_of_their_document_and_short(text: str) -> None:
    for passage in split([Document(id="a", text=text)]):
        assert text[passage.start : passage.start + len(passage.text)] == passage.text
        assert passage.text.strip()


def test_a_list_stays_whole_with_the_line_that_leads_to_it() -> None:
    passages = [p for p in split(LIBRARY) if "Choose a room." in p.text]
    assert len(passages) == 1
    assert passages[0].text.startswith("To book a room:")
    assert passages[0].text.endswith("Enter your card number.")
    assert passages[0].heading == "Booking"


def test_a_long_paragraph_gives_overlapping_passages_of_four_sentences() -> None:
    text = " ".join(f"Sentence number {n} stands here." for n in range(10))
    found = split([Document(id="a", text=text)])
    assert all(len(sentences(p.text)) <= MAX_SENTENCES for p in found)
    assert found[-1].text.endswith("Sentence number 9 stands here.")


@given(TEXTS | st.text(min_size=2500, max_size=2600))
def test_sentences_are_in_order_and_lose_nothing_but_space(text: str) -> None:
    spans = all_sentences(text)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    kept = "".join("".join(text[span.start : span.end].split()) for span in spans)
    assert kept == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It costs 3.50 today. Yes.", 2),
        ("Ask Dr. Moss, e.g. today.", 1),
        ("1. Open it. 2. Close it.", 2),
        ("Ja。Nein！", 2),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    "forms",
    [
        ("refund", "refunds", "refunded"),
        ("replace", "replaced", "replacement"),
        ("delivery", "delivered", "arrives"),
        ("cancel", "cancelled", "cancellation"),
    ],
)
def test_forms_and_synonyms_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_a_set_phrase_is_one_word() -> None:
    assert stems("I want my money back") == stems("refund")
    assert stems("sign in") == stems("login")


def test_a_slip_of_the_keyboard_finds_its_word_and_a_short_word_does_not() -> None:
    assert nearest("pasword", ["password", "passport"]) == "password"
    assert nearest("recieve", ["receive"]) == "receive"
    assert nearest("cat", ["cut"]) is None


def test_search_puts_the_right_document_first_with_its_score() -> None:
    found = Bm25Retriever(LIBRARY).search("how do I book a study room", 2)
    assert found[0]["id"] == "rooms"
    assert found[0]["score"] > 0
    assert len(found) <= 2


def test_search_forgives_a_slip_of_the_keyboard() -> None:
    assert [document["id"] for document in Bm25Retriever(LIBRARY).search("prnting")] == ["printing"]


def test_search_finds_nothing_where_no_word_is_shared_or_nothing_is_there() -> None:
    assert Bm25Retriever(LIBRARY).search("zeppelin") == []
    assert Bm25Retriever([]).search("book") == []
    assert Bm25Retriever([""]).search("book") == []


def test_search_never_gives_more_than_k_and_k_is_at_least_one() -> None:
    assert len(Bm25Retriever(LIBRARY, k=1).search("book room page card costs")) == 1
    with pytest.raises(InputError, match="k is 0"):
        Bm25Retriever(LIBRARY, k=0)


def test_a_retriever_answers_as_langchain_retrievers_do() -> None:
    document = Bm25Retriever(LIBRARY).invoke("printing colour")[0]
    assert document.metadata["id"] == "printing"
    assert "Colour" in document.page_content


def test_a_folder_of_articles_is_read_with_its_front_matter(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "---\nid: first\ntitle: Opening hours\nsection: Visit\n---\n\nWe open at nine.\n", "utf-8"
    )
    (tmp_path / "b.md").write_text("No front matter here.", "utf-8")
    documents = Bm25Retriever.from_folder(tmp_path).documents
    assert [(d["id"], d.get("title"), d["text"]) for d in documents] == [
        ("first", "Opening hours", "We open at nine.\n"),
        ("b", None, "No front matter here."),
    ]


def test_a_folder_that_is_not_there_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        Bm25Retriever.from_folder(tmp_path / "nowhere")
    (tmp_path / "bad.md").write_text("---\nid: [\n---\ntext", "utf-8")
    with pytest.raises(InputError, match=r"bad\.md"):
        Bm25Retriever.from_folder(tmp_path)
