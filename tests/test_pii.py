"""PII patterns and their redaction. Every value here is reserved, fictional or documented as a test value."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import textwrap
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiergraph.config import DEFAULT_PII_ENTITIES
from tiergraph.errors import ConfigError
from tiergraph.screening.entities import KNOWN, OTHERS
from tiergraph.screening.pii import PiiScreen, Span
from tiergraph.screening.redaction import RedactionError, Redactor

PII = PiiScreen(DEFAULT_PII_ENTITIES, 0.4)

POSITIVES = [
    ("mail me at jane.doe@example.com please", "EMAIL_ADDRESS", "jane.doe@example.com"),
    ("<jane@example.com>, thanks", "EMAIL_ADDRESS", "jane@example.com"),
    ("it is jane@mail.internal here", "EMAIL_ADDRESS", "jane@mail.internal"),
    ("jane (at) example (dot) com", "EMAIL_ADDRESS", "jane (at) example (dot) com"),
    ("jane [at] example.com", "EMAIL_ADDRESS", "jane [at] example.com"),
    ("my email is jane at example dot com", "EMAIL_ADDRESS", "jane at example dot com"),
    ("my e-mail: jane @ example . com", "EMAIL_ADDRESS", "jane @ example . com"),
    ("4111111111111111", "CREDIT_CARD", "4111111111111111"),
    ("card 4111 1111 1111 1111 123", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("4111-1111-1111-1111, 12/26", "CREDIT_CARD", "4111-1111-1111-1111"),
    ("4111.1111.1111.1111", "CREDIT_CARD", "4111.1111.1111.1111"),
    ("4111 1111\n1111 1111", "CREDIT_CARD", "4111 1111\n1111 1111"),
    ("my card is 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "CREDIT_CARD", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    ("IBAN GB82 WEST 1234 5698 7654 32 and then", "IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
    ("iban de89370400440532013000 with love", "IBAN_CODE", "de89370400440532013000"),
    ("BE68 5390 0754 7034 with love from us", "IBAN_CODE", "BE68 5390 0754 7034"),
    ("call +44 20 7946 0958", "PHONE_NUMBER", "+44 20 7946 0958"),
    ("020 7946 0958", "PHONE_NUMBER", "020 7946 0958"),
    ("(555) 555-0142", "PHONE_NUMBER", "(555) 555-0142"),
    ("212-555-0142 x123", "PHONE_NUMBER", "212-555-0142 x123"),
    ("212-555-\n0142", "PHONE_NUMBER", "212-555-\n0142"),
    ("phone: 555-0142", "PHONE_NUMBER", "555-0142"),
    ("you can call me on 2125550142", "PHONE_NUMBER", "2125550142"),
    ("my passport number is 123456789", "US_PASSPORT", "123456789"),
    ("123456789 is my passport number", "US_PASSPORT", "123456789"),
    ("account number 12345678, routing to follow", "US_BANK_NUMBER", "12345678"),
    ("my driver's license is D1234567", "US_DRIVER_LICENSE", "D1234567"),
    ("DEA certificate AB1234563", "MEDICAL_LICENSE", "AB1234563"),
    ("my NHS number is 943 476 5919", "UK_NHS", "943 476 5919"),
    ("national insurance number QQ123456C", "UK_NINO", "QQ123456C"),
    ("ITIN 912-70-1234", "US_ITIN", "912-70-1234"),
    ("SSN 219-09-9999", "US_SSN", "219-09-9999"),
    ("the client is 192.0.2.17", "IP_ADDRESS", "192.0.2.17"),
    ("host 2001:db8::8a2e:370:7334", "IP_ADDRESS", "2001:db8::8a2e:370:7334"),
    ("btc 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
]

ORDINARY = [
    "order HB-204817 and #W5442520",
    "order HB204817A",
    "on 2024-11-23 10:30:45, or 23.11.2024, or 11/23/2024",
    "call me on 2024-11-23",
    "£49.99, $1,299.00, 1234567.89 and 10 000 000 dollars",
    "tracking 1Z999AA10123456784 or 9400 1000 0000 0000 0000 00",
    "ISBN 978-3-16-148410-0",
    "firmware version 1.2.3.4, build 10.0.19041.1",
    "30 days, 2 items, 10:30",
    "std::vector, a::b, face::add, ::1, 127.0.0.1:8080",
    "order number 123456789",
    "my account shows order 123456789 as late",
    "I lost my passport. The ticket is 123456789",
    "call me about order 12345678",
    "timestamp 1732345678901 and id 20241123001",
    "SKU 400638133393, room 1234567, pi is 3.14159265358979",
    "1234 5678 9012 3456",
    "icon@2x.png, react@18.2.0, @handle, lunch @ 1pm",
    "look at amazon dot com",
    "zip 12345-6789",
    "between 2020 and 2024, 100 200 300",
    "asteroid (12971) 4054",
    "status 200, customer list, please click the link 12345678",
]


def found(text: str, screen: PiiScreen = PII) -> list[tuple[str, str]]:
    return [(span.entity, text[span.start : span.end]) for span in screen.find(text)]


@pytest.mark.parametrize(("text", "entity", "value"), POSITIVES)
def test_finds_what_people_write(text: str, entity: str, value: str) -> None:
    assert (entity, value) in found(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_numbers_are_nothing(text: str) -> None:
    assert PII.kinds(text) == {}


@pytest.mark.parametrize("filler", ["", "Nothing to see here. " * 2000])
def test_the_place_in_a_long_text_is_exact(filler: str) -> None:
    for text, entity, value in POSITIVES:
        assert (entity, value) in found(f"{filler}\n\n{text}\n\n{filler}")


def test_every_default_entity_is_covered_by_an_example() -> None:
    assert {entity for _, entity, _ in POSITIVES} == set(DEFAULT_PII_ENTITIES)


def test_only_configured_entities_are_found() -> None:
    screen = PiiScreen(("IBAN_CODE",), 0.4)
    assert found("jane@example.com, 4111111111111111, GB82WEST12345698765432", screen) == [
        ("IBAN_CODE", "GB82WEST12345698765432")
    ]


def test_the_score_decides_which_matches_count() -> None:
    text = "my passport number is 123456789"
    assert PiiScreen(("US_PASSPORT",), 0.4).find(text)
    assert not PiiScreen(("US_PASSPORT",), 0.9).find(text)
    assert PiiScreen(("US_PASSPORT",), 0.05).find("123456789")


def test_an_unknown_entity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"PASSWORT.*EMAIL_ADDRESS"):
        PiiScreen(("EMAIL_ADDRESS", "PASSWORT"), 0.4)


@pytest.mark.parametrize("entity", sorted(OTHERS))
def test_every_further_entity_can_be_configured(entity: str) -> None:
    assert PiiScreen((entity,), 0.4).find("the answer is 42") == ()


def test_a_further_entity_is_found() -> None:
    assert found("mac address 00:00:5e:00:53:af", PiiScreen(("MAC_ADDRESS",), 0.4)) == [
        ("MAC_ADDRESS", "00:00:5e:00:53:af")
    ]


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("4111\u200b1111\u200b1111\u200b1111", "CREDIT_CARD"),
        ("4111\u00ad1111\u20601111\ufeff1111", "CREDIT_CARD"),
        ("４１１１ １１１１ １１１１ １１１１", "CREDIT_CARD"),
        ("ja\u200bne＠exam\u200dple.com", "EMAIL_ADDRESS"),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ", "EMAIL_ADDRESS"),
    ],
)
def test_what_only_the_folded_text_shows_has_no_place(text: str, entity: str) -> None:
    assert PII.kinds(text) == {entity: False}


def test_one_hidden_value_beside_a_plain_one_leaves_the_kind_without_all_places() -> None:
    assert PII.kinds("jane@example.com and k\u200bim@example.com") == {"EMAIL_ADDRESS": False}
    assert PII.kinds("jane@example.com said “hello” … ½") == {"EMAIL_ADDRESS": True}


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_no_text_raises(text: str) -> None:
    PII.kinds(text)


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789 .-+()@:/abcdefGBX\n\u200b４", max_size=120))
def test_spans_are_ordered_apart_and_inside(text: str) -> None:
    spans = PII.find(text)
    assert all(0 <= span.start < span.end <= len(text) and span.score >= 0.4 for span in spans)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))


@pytest.mark.parametrize(
    "text", ["\ud800 jane@example.com \udfff", "\x00" * 50, "@" * 1000, "9" * 1_000_000, "a" * 1_000_000]
)
def test_odd_and_long_texts_do_not_raise(text: str) -> None:
    PII.kinds(text)


def test_first_use_needs_no_network() -> None:
    program = """
        import socket
        def refuse(*args, **kwargs):
            raise AssertionError("network")
        socket.socket.__init__ = socket.create_connection = socket.getaddrinfo = refuse
        from tiergraph.config import DEFAULT_PII_ENTITIES
        from tiergraph.screening.pii import PiiScreen
        spans = PiiScreen(DEFAULT_PII_ENTITIES, 0.4).find("jane@example.com, GB82WEST12345698765432")
        assert [span.entity for span in spans] == ["EMAIL_ADDRESS", "IBAN_CODE"], spans
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_presidio_is_not_imported_before_it_is_needed() -> None:
    program = """
        import sys
        from tiergraph.config import DEFAULT_PII_ENTITIES
        from tiergraph.screening.pii import PiiScreen
        PiiScreen(DEFAULT_PII_ENTITIES, 0.4).kinds("Where is my order?")
        assert "presidio_analyzer" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_presidios_import_leaves_the_environment_alone() -> None:
    program = """
        import os, sys
        from tiergraph.config import DEFAULT_PII_ENTITIES
        from tiergraph.screening.pii import PiiScreen
        before = dict(os.environ)
        assert PiiScreen(DEFAULT_PII_ENTITIES, 0.4).kinds("jane@example.com")
        assert "presidio_analyzer" in sys.modules
        assert dict(os.environ) == before
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        PII.kinds("jane@example.com, DE89 3704 0044 0532 0130 01, 4111111111111111, passport 123456789")
        logging.getLogger("presidio-analyzer").error("Failed to validate text %s", "secret")
    assert "secret" not in caplog.text
    assert "example.com" not in caplog.text


def test_a_span_holds_no_text() -> None:
    assert set(Span.__dataclass_fields__) == {"entity", "start", "end", "score"}


def test_threads_that_start_together_agree() -> None:
    screen = PiiScreen(DEFAULT_PII_ENTITIES, 0.4)
    text = "\n".join(text for text, _, _ in POSITIVES)
    barrier, results = threading.Barrier(8), []

    def read() -> None:
        barrier.wait()
        results.append(screen.find(text))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(result == results[0] for result in results)
    assert len(results[0]) > 25


def test_known_names_are_sorted_and_hold_the_defaults() -> None:
    assert list(KNOWN) == sorted(KNOWN)
    assert set(DEFAULT_PII_ENTITIES) <= set(KNOWN)


# Redaction

REDACTOR = Redactor(PII)
VALUES = ["jane@example.com", "kim@example.org", "4111 1111 1111 1111", "+44 20 7946 0958", "192.0.2.17"]


def test_the_same_value_has_one_placeholder_in_every_part() -> None:
    vault: dict[str, str] = {}
    first = REDACTOR.redact("jane@example.com and kim@example.org", vault)
    second = REDACTOR.redact("from kim@example.org", vault)
    assert (first, second) == ("<EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>", "from <EMAIL_ADDRESS_2>")
    assert REDACTOR.restore("Dear <EMAIL_ADDRESS_2>", vault) == "Dear kim@example.org"


def test_a_value_found_once_is_replaced_where_its_context_is_missing() -> None:
    vault: dict[str, str] = {}
    parts = REDACTOR.redact_all(["see 123456789", "my passport number is 123456789"], vault)
    assert parts == ["see <US_PASSPORT_1>", "my passport number is <US_PASSPORT_1>"]


@pytest.mark.parametrize(
    "written",
    [
        "<EMAIL_ADDRESS_1>",
        "<email_address_1>",
        r"<EMAIL\_ADDRESS\_1>",
        r"\<EMAIL\_ADDRESS\_1\>",
        "&lt;EMAIL_ADDRESS_1&gt;",
    ],
)
def test_placeholders_come_back_in_any_case_and_escaped(written: str) -> None:
    assert REDACTOR.restore(f"to {written}.", {"<EMAIL_ADDRESS_1>": "jane@example.com"}) == "to jane@example.com."


def test_a_placeholder_that_the_vault_has_not_stays() -> None:
    assert (
        REDACTOR.restore("<EMAIL_ADDRESS_7> <b>", {"<EMAIL_ADDRESS_1>": "jane@example.com"}) == "<EMAIL_ADDRESS_7> <b>"
    )


@pytest.mark.parametrize(
    "written", ["<EMAIL_ADDRESS_1>", "<email\\_address_1>", "&lt;EMAIL_ADDRESS_1&gt;", "<LITERAL_1>"]
)
def test_a_placeholder_that_somebody_wrote_is_nobodys_value(written: str) -> None:
    vault: dict[str, str] = {}
    question = REDACTOR.redact("I am jane@example.com", vault)
    document = REDACTOR.redact(f"print {written} please", vault)
    assert "EMAIL" not in document.upper()
    assert REDACTOR.restore(question, vault) == "I am jane@example.com"
    assert REDACTOR.restore(document, vault) == f"print {written} please"


def test_what_has_no_place_is_refused() -> None:
    with pytest.raises(RedactionError):
        REDACTOR.redact("4111\u200b1111\u200b1111\u200b1111", {})


def test_the_error_holds_no_text() -> None:
    with pytest.raises(RedactionError) as caught:
        REDACTOR.redact("ja\u200bne@example.com", {})
    assert "example" not in str(caught.value)


_PIECES = st.sampled_from(
    [*VALUES, "<", ">", "\\", "&lt;", "&gt;", "_", "<EMAIL_ADDRESS_", "<EMAIL_ADDRESS_1>", "1", " "]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.text(st.characters(), max_size=6)), max_size=12))
def test_redact_then_restore_is_identity(pieces: list[str]) -> None:
    text = "".join(pieces)
    vault: dict[str, str] = {}
    try:
        redacted = REDACTOR.redact(text, vault)
    except RedactionError:
        return
    assert REDACTOR.restore(redacted, vault) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(VALUES), st.text("abc ,.\n-<>_12", max_size=8)), max_size=10))
def test_redacted_text_holds_no_value_that_was_found(pieces: list[str]) -> None:
    text = " ".join(pieces)
    vault: dict[str, str] = {}
    values = [text[span.start : span.end] for span in PII.find(text)]
    try:
        redacted = REDACTOR.redact(text, vault)
    except RedactionError:
        return
    assert not any(value in redacted for value in values)
    assert PII.kinds(redacted) == {}
