"""Path templates agree with a plain regular expression, and format is the inverse of match."""

from __future__ import annotations

import re
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from penstock.authoring.templates import PathTemplate

words = st.text("ab_-.", min_size=1, max_size=6).filter(lambda word: word not in (".", ".."))
pieces = st.sampled_from(["{}", "*", "_", "-", "a", "ab"])


@st.composite
def templates(draw):
    """A template of one to three segments, and the regular expression that means the same."""
    texts, patterns, count = [], [], 0
    for _ in range(draw(st.integers(1, 3))):
        text = pattern = ""
        for piece in draw(st.lists(pieces, min_size=1, max_size=5)):
            if piece == "{}":
                count += 1
                text, pattern = f"{text}{{p{count}}}", f"{pattern}(?P<p{count}>[^/]+?)"
            elif piece == "*":
                text, pattern = text.rstrip("*") + "*", pattern.removesuffix("[^/]*?") + "[^/]*?"
            else:
                text, pattern = text + piece, pattern + re.escape(piece)
        texts.append(text)
        patterns.append(pattern)
    return "landing/" + "/".join(texts), re.compile("landing/" + "/".join(patterns))


@given(templates(), st.lists(words, min_size=1, max_size=3))
def test_matches_what_the_lazy_regular_expression_matches(template, names):
    text, pattern = template
    path = "landing/" + "/".join(names)
    expected = pattern.fullmatch(path)
    assert PathTemplate.parse(text).match(path) == (expected.groupdict() if expected else None)


@given(st.text("abc", min_size=1), st.dates(), st.text("xyz-", min_size=1))
def test_formatting_and_matching_are_inverse(branch, day, time):
    template = PathTemplate.parse("landing/{branch}/{day:%d-%m-%Y}_{time}.csv")
    parts = {"branch": branch, "day": day, "time": time}
    assert template.match(template.format(**parts)) == parts


@given(
    st.dates(min_value=date(1969, 1, 1), max_value=date(2068, 12, 31)),
    st.sampled_from(["%y%m%d", "%d %b %Y", "%j.%Y", "%B-%d-%Y"]),
)
def test_every_day_survives_every_format(day, form):
    template = PathTemplate.parse(f"landing/x{{day:{form}}}y")
    assert template.match(template.format(day=day)) == {"day": day}


@given(st.text() | st.from_regex(r"landing/[ab]_2024-0[0-3]-[0-3][0-9](/[xy]){0,3}(\.csv)?", fullmatch=True))
def test_any_text_as_a_path_is_judged_and_explained(path):
    template = PathTemplate.parse("landing/{a}_{day:%Y-%m-%d}/**/*.csv")
    told = template.explain(path) == f"{path!r} matches {template.text!r}"
    assert told == (template.match(path) is not None)
