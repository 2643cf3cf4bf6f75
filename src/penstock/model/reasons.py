"""Why a row was set aside. A failing rule is its own reason; a record that could not be read has a code.

Programs get the code, which stays the same; people get its words.
"""

from __future__ import annotations

TORN = "torn"
TOO_FEW = "too_few_columns"
TOO_MANY = "too_many_columns"
ENCODING = "encoding"
TOO_LONG = "too_long"
NULL_BYTE = "null_byte"
NOT_JSON = "not_json"
NOT_OBJECT = "not_object"
DUPLICATE_KEY = "duplicate_key"

WORDS = {
    TORN: "torn: a quote that is not closed, or in the wrong place",
    TOO_FEW: "fewer columns than declared",
    TOO_MANY: "more columns than declared",
    ENCODING: "not text in the declared encoding",
    TOO_LONG: "longer than a record may be",
    NULL_BYTE: "holds a NUL character",
    NOT_JSON: "not JSON",
    NOT_OBJECT: "JSON, but no object",
    DUPLICATE_KEY: "a JSON object that holds one key twice",
}


def worded(reason: str) -> str:
    """A reason as people read it."""
    return WORDS.get(reason, reason)
