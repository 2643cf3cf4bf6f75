"""From the text of one DQDL rule to its tree.

Source: the grammar that AWS publishes (github.com/awslabs/dqdl, `DataQualityDefinitionLanguage.g4`) and the DQDL
reference in the AWS Glue guide. Read are single rules, `where`, `with threshold`, `and`, `or` and comments; refused,
each with its place, are rule types and forms that Penstock does not have (labels, analyzers, `avg(last(10))`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from penstock.authoring import predicates, regexes
from penstock.authoring.conditions import COMPARISONS, Condition, Duration, Keyword, RunTime, Value, minutes
from penstock.authoring.tree import ELSEWHERE, KINDS, Combined, Kind, Rule, Single
from penstock.errors import RuleError, nearest

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"(?:\\.|[^"\\])*")|(?P<number>[0-9]+(?:\.[0-9]+)?(?![\w.]))|(?P<word>[A-Za-z_]\w*)"""
    r"""|(?P<symbol>>=|<=|!=|[=<>()\[\],+-])""",
    re.DOTALL,
)
_UNITS = {"minute": "minutes", "hour": "hours", "day": "days"}
_DEEP = 20
_DIGITS = 38
_CENTURY = 36525 * 24 * 60


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these words or symbols; a quoted text never is."""
        return self.kind in ("word", "symbol") and self.text.lower() in words


def parse(text: str, *, at: str = "") -> Rule:
    """Read one rule. Raises `RuleError`, whose `why` shows the place with a caret."""
    return _Parser(text, at).whole()


class _Parser:
    """Recursive descent over the tokens of one rule."""

    def __init__(self, text: str, at: str) -> None:
        self.source, self.at = text, at
        self.tokens = self._lex()
        self.place = 0
        self.depth = 0

    # --- tokens ---------------------------------------------------------------------------------------------------

    def _lex(self) -> list[_Token]:
        tokens, at = [], 0
        while at < len(self.source):
            found = _TOKEN.match(self.source, at)
            if found is None:
                raise self._odd(at)
            if found.lastgroup:
                tokens.append(_Token(found.lastgroup, found[0], at))
            at = found.end()
        return [*tokens, _Token("end", "", len(self.source.rstrip()))]

    def _odd(self, at: int) -> RuleError:
        character = self.source[at]
        if character == '"':
            return self._wrong("the quote is not closed", at, r"close it; \" stands for a quote within")
        if character == "'":
            return self._wrong("texts stand in double quotes", at, 'write "…"')
        if character.isdigit():
            return self._wrong("the number is not one that DQDL writes", at, "such as 5, -5 or 0.95")
        return self._wrong(f"{character!r} has no place here", at, "see the reference of checks")

    @property
    def _next(self) -> _Token:
        return self.tokens[self.place]

    def _take(self) -> _Token:
        token = self._next
        self.place = min(self.place + 1, len(self.tokens) - 1)
        return token

    def _skip(self, *words: str) -> bool:
        if self._next.says(*words):
            self._take()
            return True
        return False

    def _expect(self, word: str, fix: str = "") -> None:
        if not self._skip(word):
            raise self._wrong(f"{word!r} is missing", self._next.at, fix or f"write {word}")

    def _wrong(self, what: str, at: int, fix: str = "") -> RuleError:
        start = self.source.rfind("\n", 0, at) + 1
        line = self.source[start:].split("\n", 1)[0].replace("\t", " ")
        return RuleError(f"a rule cannot be read: {what}", at=self.at, why=f"{line}\n{' ' * (at - start)}^", fix=fix)

    # --- combinations ---------------------------------------------------------------------------------------------

    def whole(self) -> Rule:
        if self._next.kind == "end":
            raise self._wrong("it is empty", 0, 'such as IsComplete "branch"')
        rule = self._joined("or")
        if self._next.kind != "end":
            raise self._wrong(f"{self._next.text!r} is one too many", self._next.at, "one text holds one rule")
        return rule

    def _joined(self, operator: Literal["and", "or"]) -> Rule:
        """`and` binds more tightly than `or`."""
        parts = [self._operand(operator)]
        while self._skip(operator):
            parts.append(self._operand(operator))
        return parts[0] if len(parts) == 1 else Combined(operator, tuple(parts))

    def _operand(self, operator: Literal["and", "or"]) -> Rule:
        return self._joined("and") if operator == "or" else self._unit()

    def _unit(self) -> Rule:
        opening = self._next
        if not self._skip("("):
            return self._single()
        self.depth += 1
        if self.depth > _DEEP:
            raise self._wrong(f"parentheses are nested more than {_DEEP} deep", opening.at, "give several rules")
        rule = self._joined("or")
        self._expect(")", "close the parenthesis")
        self.depth -= 1
        return rule

    # --- one rule -------------------------------------------------------------------------------------------------

    def _single(self) -> Rule:
        head = self._take()
        kind = self._kind(head)
        predicate = self._predicate("the predicate") if kind.name == "Sql" else ""
        columns = self._columns(kind)
        condition = self._required(kind, head) if kind.condition else None
        where, threshold = self._tail(kind)
        return Single(kind.name, columns, condition, predicate, where, threshold)

    def _kind(self, head: _Token) -> Kind:
        if head.kind != "word":
            raise self._wrong("a rule begins with its type", head.at, 'such as IsComplete "branch"')
        if head.text in KINDS:
            return KINDS[head.text]
        known = f"known: {', '.join(KINDS)}"
        if head.text in ELSEWHERE:
            other = 'write Sql "…" with a predicate over one row; ' if head.text == "CustomSql" else ""
            raise self._wrong(f"Penstock does not have DQDL's {head.text}", head.at, other + known)
        if head.text == "Rules":
            raise self._wrong(
                "a ruleset is not one rule", head.at, "give each rule as a text of its own, without Rules = […]"
            )
        near = nearest(head.text, KINDS)
        raise self._wrong(
            f"unknown rule type {head.text!r}", head.at, f"{near} {known}" if near.startswith("did") else known
        )

    def _columns(self, kind: Kind) -> tuple[str, ...]:
        found: list[str] = []
        start = self._next.at
        while self._next.kind == "text":
            token = self._take()
            name = self._text(token)
            if not name or name in found:
                raise self._wrong(f"the column {name!r} stands twice" if name else "a column's name is empty", token.at)
            found.append(name)
        if self._next.kind == "word" and len(found) < kind.least:
            raise self._wrong("a column's name stands in double quotes", self._next.at, f'"{self._next.text}"')
        if not kind.least <= len(found) <= kind.most:
            wanted = {0: "no column", 1: "one column"}.get(kind.most, "one or more columns")
            raise self._wrong(f"{kind.name} takes {wanted}", start, f'such as {kind.name} "id"' if kind.least else "")
        return tuple(found)

    def _tail(self, kind: Kind) -> tuple[str, Condition | None]:
        where, threshold = "", None
        while self._next.says("where", "with"):
            token = self._take()
            if token.says("where") and not where:
                if not kind.where:
                    raise self._wrong(f"{kind.name} takes no where", token.at)
                where = self._predicate("the filter")
            elif token.says("with") and threshold is None:
                threshold = self._threshold(kind)
            else:
                raise self._wrong(f"{token.text!r} stands twice", token.at)
        if self._next.says("labels"):
            raise self._wrong("labels are not supported", self._next.at, "leave them out")
        return where, threshold

    def _threshold(self, kind: Kind) -> Condition:
        token = self._take()
        if not token.says("threshold"):
            raise self._wrong("'threshold' is missing", token.at, "with threshold > 0.95")
        if kind.level != "row":
            fix = "Uniqueness has a ratio" if kind.level == "key" else "put it into the condition"
            raise self._wrong(f"{kind.name} takes no threshold", token.at, fix)
        at = self._next.at
        condition = self._condition()
        if condition is None:
            raise self._wrong("the threshold has no condition", at, "with threshold > 0.95")
        return self._ratio(condition, at)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _required(self, kind: Kind, head: _Token) -> Condition:
        at = self._next.at
        condition = self._condition()
        if condition is None:
            raise self._wrong(f"{head.text} wants a condition", at, _EXAMPLES[kind.condition])
        odd_null = condition.mentions_null and kind.condition != "values"
        if odd_null or condition.domain not in _DOMAINS[kind.condition]:
            raise self._wrong(f"{head.text} does not compare with this", at, _EXAMPLES[kind.condition])
        return self._ratio(condition, at) if kind.condition == "ratio" else condition

    def _ratio(self, condition: Condition, at: int) -> Condition:
        """A share of the rows: a number from 0 to 1."""
        if condition.domain != "number" or condition.mentions_null:
            raise self._wrong("a share of the rows is a number", at, "such as > 0.95")
        if not all(isinstance(value, int | Decimal) and 0 <= value <= 1 for value in condition.values):
            raise self._wrong("a share of the rows lies between 0 and 1", at, "95 % is 0.95")
        return condition

    def _condition(self) -> Condition | None:
        at = self._next.at
        negated = "not " if self._skip("not") else ""
        operator = self._next.text.lower()
        if self._next.says(*COMPARISONS) and not negated:
            self._take()
            values: tuple[Value, ...] = (self._value(),)
        elif self._skip("between"):
            low = self._value()
            self._expect("and", "between 0 and 100")
            values = (low, self._value())
        elif self._skip("in"):
            values = self._set()
        elif self._skip("matches"):
            values = (self._regex(),)
        elif negated:
            raise self._wrong("'not' stands before in, between or matches", at, 'not in ["a", "b"]')
        else:
            return None
        condition = Condition(negated + operator, values)
        if mistake := condition.mistake():
            raise self._wrong(mistake, at, 'numbers stand without quotes, dates as "2024-01-31"')
        return condition

    def _set(self) -> tuple[Value, ...]:
        self._expect("[", 'in ["a", "b"]')
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        self._expect("]", "close the list")
        return tuple(values)

    def _regex(self) -> str:
        token = self._take()
        if token.kind != "text":
            raise self._wrong("a regular expression stands in double quotes", token.at, 'matches "[0-9]+"')
        pattern = token.text[1:-1].replace('\\"', '"')
        found = regexes.mistake(pattern)
        if found:
            raise self._wrong(f"not every engine reads this regular expression: {found[0]}", token.at + 1 + found[1])
        return pattern

    def _predicate(self, what: str) -> str:
        token = self._take()
        if token.kind != "text":
            raise self._wrong(f"{what} stands in double quotes", token.at, "\"payment = 'CARD'\"")
        sql = token.text[1:-1].replace('\\"', '"')
        found = predicates.mistake(sql)
        if found:
            raise self._wrong(
                f"{what} is not one SQL expression over a row: {found[0]}", token.at + 1 + found[2], found[1]
            )
        return sql

    # --- values ---------------------------------------------------------------------------------------------------

    def _value(self) -> Value:
        token = self._take()
        if token.kind == "text":
            return self._text(token)
        if token.kind == "number" or token.says("-"):
            return self._number(token)
        if token.says("null", "empty", "whitespaces_only"):
            return Keyword(token.text.upper())
        if token.says("now"):
            return self._now()
        if token.says("("):
            self._expect("now", "such as (now() - 3 days)")
            value = self._now()
            self._expect(")", "such as (now() - 3 days)")
            return value
        dynamic = self._next.says("(")
        what = "dynamic rules are not supported" if dynamic else "a value is missing"
        raise self._wrong(what, token.at, 'a number, a "text", a date, NULL or now()')

    def _number(self, token: _Token) -> int | Decimal | Duration:
        sign = "-" if token.says("-") else ""
        digits = self._take() if sign else token
        if digits.kind != "number" or len(digits.text) > _DIGITS:
            raise self._wrong("a number is missing" if digits.kind != "number" else "the number is too long", digits.at)
        number = Decimal(sign + digits.text)
        if self._next.kind == "word" and self._next.text.lower().removesuffix("s") in _UNITS:
            unit = _UNITS[self._take().text.lower().removesuffix("s")]
            duration = Duration(int(number), unit)
            if sign or number != duration.amount or minutes(duration) > _CENTURY:
                raise self._wrong("a duration is a whole number, up to a century", digits.at, "such as 36 hours")
            return duration
        return int(number) if number == int(number) else number.normalize()

    def _now(self) -> RunTime:
        self._expect("(", "now()")
        self._expect(")", "now()")
        sign = self._next
        if not self._skip("+", "-"):
            return RunTime()
        digits = self._take()
        duration = self._number(digits) if digits.kind == "number" else None
        if not isinstance(duration, Duration):
            raise self._wrong("a duration is missing", digits.at, "such as (now() - 3 days)")
        return RunTime(sign.text, duration)

    def _text(self, token: _Token) -> str:
        body = token.text[1:-1]
        odd = re.search(r"(?<!\\)(?:\\\\)*\\([^\"\\])", body)
        if odd:
            raise self._wrong(
                f"the backslash before {odd[1]!r} escapes nothing", token.at + odd.end(), r"write \\ for a backslash"
            )
        if "\0" in body:
            raise self._wrong("a text cannot hold the character NUL", token.at)
        return re.sub(r"\\(.)", r"\1", body, flags=re.DOTALL)


_DOMAINS = {
    "values": ("number", "text", "date", "regex", "null"),
    "number": ("number",),
    "count": ("number",),
    "ratio": ("number",),
    "duration": ("duration",),
}
_EXAMPLES = {
    "values": 'such as >= 0, in ["CASH", "CARD"], matches "[A-Z]+", != NULL',
    "number": "such as > 3.5, or between 1 and 5",
    "count": "such as > 100, or between 1 and 50",
    "ratio": "a share of the rows, such as > 0.95",
    "duration": "such as <= 24 hours, or between 2 days and 5 days",
}
