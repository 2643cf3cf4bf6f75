"""One column at a time: what it looks like, by header and values."""

from __future__ import annotations

import random
import time

import pytest

from penstock.adapters.duckdb.proposals.checksums import bsn, dni, iban, iban_shape, luhn, nir, pesel
from penstock.adapters.duckdb.proposals.personal import MarkProposal, classify, propose_marks
from penstock.adapters.duckdb.proposals.values import Values
from penstock.adapters.duckdb.proposals.vocabulary import fold, hint, words

RANDOM = random.Random(5)  # noqa: S311  these numbers must come again


def digits(count: int) -> str:
    return "".join(RANDOM.choices("0123456789", k=count))


def mark(header: str, values: list[str]) -> MarkProposal | None:
    return classify("column", header, Values.of(values))


def kind(header: str, values: list[str]) -> str:
    found = mark(header, values)
    return found.kind_of_data if found else ""


NAMES = ["Deborah Torres", "Matthew Palmer", "Anna Kowalska", "José García", "Ingrid Berg", "Paul O'Neill", "Mia Chen"]
TILL_CARDS = [RANDOM.choice("123456789") + digits(15) for _ in range(200)]


@pytest.mark.parametrize(
    ("header", "values", "expected", "written"),
    [
        ("Kundenname", NAMES, "person name", "drop()"),
        ("", NAMES, "person name", "drop()"),
        ("姓名", ["王小明", "李娜", "张伟", "刘洋", "陈静"], "person name", "drop()"),
        ("", ["王小明", "李娜", "张伟", "刘洋", "陈静"], "person name", "drop()"),
        ("e-mail", ["a.b@example.org", "c@mail.test"], "e-mail", "hash()"),
        ("", TILL_CARDS, "payment card", "tokenize(keep_last=4)"),
        ("card", ["**** **** **** 1234"] * 5, "payment card", "tokenize(keep_last=4)"),
        ("Telefonnummer", ["030/1234567", "+49 170 1234567"], "phone", "hash()"),
        ("", ["DE89370400440532013000", "GB82WEST12345698765432"], "IBAN", "tokenize(keep_last=4)"),
        ("date_naissance", ["12/03/1971", "30/11/1988"], "date of birth", "drop()"),
        ("PLZ", ["10115", "80331"], "postcode", "hash()"),
        ("", [f"{n} High Street" for n in range(9)] + ["4 Mill Lane", "8 Oak Road", "9 Elm Drive", "7 Low Way"],
         "address", "drop()"),
        ("", ["AB 12 34 56 C", "CE654321D"], "national id", "encrypt()"),
        ("client_ip", ["10.0.0.1", "192.168.7.200"], "IP address", "hash()"),
        ("accout_number", ["12345678", "12345679"], "bank account", "tokenize(keep_last=4)"),
        ("user", ["ned", "robert", "arya"], "login name", "tokenize()"),
    ],
)  # fmt: skip
def test_a_personal_column_is_recognised_and_given_a_mark(header, values, expected, written):
    found = mark(header, values)
    assert found is not None
    assert (found.kind_of_data, found.mark) == (expected, written)


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("order_no", TILL_CARDS),
        ("", [str(2_400_000_000_000_000 + 7 * n) for n in range(50)]),
        ("", [f"20240{n % 9 + 1}15{digits(8)}" for n in range(50)]),
        ("created", [f"2024-03-{n:02} 10:00:00" for n in range(1, 29)]),
        ("epoch", [str(1_700_000_000_000 + n * 9000) for n in range(60)]),
        ("total", ["12.50", "3.20", "1000.00"]),
        ("", [f"{n}.99" for n in range(30)]),
        ("", ["Leeds", "York", "Berlin", "Paris", "New York", "San Francisco", "Austin", "Rome"]),
        ("name", ["Green Tea", "Flat White", "Iced Latte", "Chocolate Brownie", "Lemon Cake"]),
        ("", ["Green Tea", "Flat White", "Iced Latte", "Chocolate Brownie", "Lemon Cake"]),
        ("quantity", ["1", "2", "30"]),
        ("version", ["1.2.3.4", "2.0.0.1"]),
        ("", ["1.2.3.4", "2.0.0.1"]),
        ("supplier", ["Keller GmbH", "Moreau SARL", "Silva Ltd", "Byrne Group", "Novak Inc."]),
        ("", [f"Gate {n}" for n in range(40)]),
        ("product_code", ["AB-1234", "XY-9876"]),
        ("email_opt_in", ["yes", "no"]),
        ("card_type", ["VISA", "MASTERCARD"]),
        ("customer_id", [f"C{n:05}" for n in range(30)]),
        ("phone_model", ["iPhone 12", "Pixel 7"]),
        ("", []),
        ("note", [""] * 5),
    ],
)  # fmt: skip
def test_what_only_looks_personal_is_left_alone(header, values):
    assert kind(header, values) == ""


def test_the_luhn_check_raises_confidence_and_is_not_required():
    valid = [body + next(d for d in "0123456789" if luhn(body + d)) for body in ("4" + digits(14) for _ in range(40))]
    sure, likely = mark("", valid), mark("", TILL_CARDS)
    assert sure is not None
    assert likely is not None
    assert sure.confidence > likely.confidence >= 0.5


def test_an_empty_column_is_judged_by_its_header_alone():
    found = mark("E-Mail-Adresse", [])
    assert found is not None
    assert found.confidence == 0.5
    assert kind("", []) == ""


def test_a_header_that_its_values_contradict_is_not_believed():
    assert kind("email", ["yes", "no"]) == ""


@pytest.mark.parametrize(
    "header",
    ['email"; DROP TABLE x; --', "  EMAIL\t", "email\nsecond line", "emaìl", "☕ e-mail ☕", "E_MAIL" * 3, "📧"],
)
def test_hostile_headers_do_no_harm(header):
    assert kind(header, ["a@example.org", "b@example.org"]) == "e-mail"


def test_a_list_of_people_in_one_field_is_personal():
    lists = [f"{first}; {second}" for first in NAMES for second in NAMES]
    found = mark("attendees", lists)
    assert found is not None
    assert found.kind_of_data == "person name"
    assert found.why[0] == "a list in each field"


def test_no_value_is_in_a_proposal():
    found = mark("Kundenname", NAMES)
    assert not [value for name in NAMES for value in (name, *name.split()) if value in str(found)]


def test_words_for_nothing_are_no_values():
    assert Values.of(["N/A", "", None, " none ", "x"]).texts == ("x",)


def test_hostile_values_cost_little_time():
    began = time.monotonic()
    for value in ("x" * 5000, "1-" * 5000, "a@" * 5000, "*" * 3000 + "y", "A-" * 4000 + "!", "0 " * 5000):
        mark("", [f"{value}{number}" for number in range(50)])
    assert time.monotonic() - began < 3


def test_a_file_is_judged_through_its_own_header(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("id;Ansprechpartner;Ort\n" + "".join(f"{n};{name};York\n" for n, name in enumerate(NAMES)))
    assert [(found.column, found.kind_of_data) for found in propose_marks(path)] == [("ansprechpartner", "person name")]


def test_a_record_of_a_mark_is_plain_values():
    found = mark("iban", ["DE89370400440532013000"])
    assert found is not None
    assert found.record()["why"] == list(found.why)


# --- words and check digits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "folded"),
    [("Straße", "strasse"), ("Łódź", "lodz"), ("Ñandú", "nandu"), ("ФИО", "фио"), ("Møller", "moller")],
)
def test_words_are_compared_without_case_and_accents(text, folded):
    assert fold(text) == folded


def test_a_header_is_cut_into_words_at_signs_and_humps():
    assert words("billingAddress_2 (Straße)") == ("billing", "address", "strasse")


@pytest.mark.parametrize("header", ["", "col7", "Column 12", "field", "x", "unnamed"])
def test_a_vague_header_says_nothing(header):
    told = hint(header)
    assert not told.kinds
    assert not told.thing


def test_a_longer_word_with_a_letter_missing_is_still_read():
    assert hint("accout_number").of("bank account") == 1.0
    assert hint("telepone").of("phone") == 1.0


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (luhn, "4539578763621486", "4539578763621487"),
        (iban, "DE89 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
        (iban_shape, "GB82WEST12345698765432", "GB82WEST1234569876543"),
        (pesel, "44051401359", "44051401358"),
        (bsn, "111222333", "111222334"),
        (nir, "255081416802538", "255081416802539"),
        (dni, "12345678Z", "12345678A"),
        (dni, "X1234567L", "X1234567M"),
    ],
)
def test_check_digits(check, right, wrong):
    assert check(right)
    assert not check(wrong)
