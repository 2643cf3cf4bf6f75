r"""The regular expressions that RE2 and Java read alike.

DQDL on Spark uses Java's, DuckDB uses RE2: a rule may use only what both have and mean the same by. RE2 has no
lookaround, no backreferences and no possessive quantifiers; Java has classes within classes; `\v` and `\Z` differ.
Sources: github.com/google/re2/wiki/Syntax and the documentation of java.util.regex.Pattern.
"""

from __future__ import annotations

import re

_CATEGORY = r"\\[pP](?:[LMNPSZC]|\{(?:L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|C[cfo]?)\})"
_CODE = r"\\x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]{1,6}\})"
_PLAIN_ESCAPE = r"\\[!-/:-@\[-`{-~ atnrf]"
_SINGLE = rf"(?:[^\]\[\\&-]|&(?!&)|{_PLAIN_ESCAPE}|{_CODE})"
_CLASS = re.compile(rf"\[\^?+-?(?:{_SINGLE}-{_SINGLE}|{_SINGLE}|\\[dDsSwW]|{_CATEGORY})+-?\]")
_RANGE = re.compile(rf"({_SINGLE})(?:-({_SINGLE}))?|\\.")
_ESCAPE = re.compile(rf"{_CATEGORY}|{_CODE}|{_PLAIN_ESCAPE}|\\[dDsSwW]")
_EDGE = re.compile(r"\\[bBAz]|[\^$]")
_GROUP = re.compile(r"\((?:\?(?:[is]|-[is]|):|\?(?P<flag>[is])\)|(?!\?))")
_REPEAT = re.compile(r"[*+?]|\{(?P<least>[0-9]{1,4})(?:,(?P<most>[0-9]{0,4}))?\}")
_CONTROLS = {r"\a": "\a", r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\f": "\f"}
_LIMIT = 1000
"""RE2 takes no more repetitions, nested ones multiplied."""
_CATEGORY_SIZE = 4
"""A category such as `\\p{L}` is a large program: fewer repetitions of it fit into RE2's memory."""


class _Differs(Exception):
    """The engines disagree, or one of them refuses."""


def mistake(pattern: str) -> tuple[str, int] | None:
    """Why the engines do not read a pattern alike, and the place; None when they do."""
    scan = _Scan(pattern)
    try:
        scan.run()
    except _Differs as found:
        return str(found), scan.at
    return None


class _Scan:
    """One pass from left to right. `atom` is how often the last piece repeats inside itself; 0 where nothing may be
    repeated."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.atom, self.greedy = 0, False
        self.inside, self.outside = 1, list[int]()

    def run(self) -> None:
        while self.at < len(self.pattern):
            self.at = self._step(self.pattern[self.at])
        if self.outside:
            raise _Differs("a parenthesis is not closed")

    def _step(self, character: str) -> int:
        if _REPEAT.match(self.pattern, self.at):
            return self._repeat()
        self.greedy = False
        edge = _EDGE.match(self.pattern, self.at)
        self.atom = 0 if edge or character == "|" else 1
        if edge:
            return edge.end()
        special = {"(": self._open, ")": self._close, "[": self._class, "\\": self._escape}
        return special.get(character, self._plain)()

    def _plain(self) -> int:
        if self.pattern[self.at] in "{\0":
            raise _Differs(r"a brace or NUL stands alone; \{ is a brace")
        return self.at + 1

    def _repeat(self) -> int:
        found = self._expect(_REPEAT, "")
        if self.greedy and found[0] == "?":
            self.greedy = False
            return found.end()
        if not self.atom:
            raise _Differs("a quantifier follows a quantifier" if self.greedy else "there is nothing to repeat")
        least, most = int(found["least"] or 1), int(found["most"] or found["least"] or 1)
        if least > most or most * self.atom > _LIMIT:
            raise _Differs(f"it repeats from {least} to {most * self.atom} times; at most {_LIMIT} go")
        self.inside = max(self.inside, most * self.atom)
        self.atom, self.greedy = 0, True
        return found.end()

    def _open(self) -> int:
        found = self._expect(_GROUP, "a group may be (…), (?:…) or have the flags i and s; nothing else begins with (?")
        self.atom = 0
        if not found["flag"]:
            self.outside.append(self.inside)
            self.inside = 1
        return found.end()

    def _close(self) -> int:
        if not self.outside:
            raise _Differs("the parenthesis closes nothing")
        self.atom = self.inside
        self.inside = max(self.outside.pop(), self.atom)
        return self.at + 1

    def _class(self) -> int:
        found = self._expect(_CLASS, r"a character class of this form: write \[ \] \& \- within it for themselves")
        body = found[0][1:-1].removeprefix("^")
        for low, high in _RANGE.findall(body.removeprefix("-")):
            _check_order(low, high)
        return self._atom(found)

    def _escape(self) -> int:
        found = self._expect(_ESCAPE, "an escape that only one of the engines has, or a backreference")
        _code_point(found[0])
        return self._atom(found)

    def _atom(self, found: re.Match[str]) -> int:
        if re.search(_CATEGORY, found[0]):
            self.atom = _CATEGORY_SIZE
            self.inside = max(self.inside, self.atom)
        return found.end()

    def _expect(self, form: re.Pattern[str], why: str) -> re.Match[str]:
        found = form.match(self.pattern, self.at)
        if found is None:
            raise _Differs(why)
        return found


def _check_order(low: str, high: str) -> None:
    if low and high and _code_point(low) > _code_point(high):
        raise _Differs("a range goes backwards")


def _code_point(text: str) -> int:
    if not text.startswith("\\x"):
        return ord(_CONTROLS.get(text, text[-1]))
    number = int(text[2:].strip("{}"), 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF or number == 0:
        raise _Differs("there is no such character")
    return number
