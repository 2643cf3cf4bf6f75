"""Text for people, JSON for programs, progress."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from penstock.entrypoints.cli.output import Output, Progress, command, encode, table_lines
from penstock.errors import StorageUnavailable, Suspended


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def spoken(out: Output) -> tuple[str, str]:
    return out.stdout.getvalue(), out.stderr.getvalue()


def output(*, terminal: bool = False, **options: object) -> Output:
    make = Terminal if terminal else io.StringIO
    return Output(stdout=make(), stderr=make(), **options)


ERROR = Suspended("2 rows failed", at="landing/leeds.csv", why="hard=True", fix="penstock redrive r1\nor --drop")


def test_an_error_is_what_at_why_fix():
    out = output()
    out.fail(ERROR)
    assert spoken(out)[0] == ""
    assert spoken(out)[1].splitlines() == [
        "error[E204]: 2 rows failed",
        "   at  landing/leeds.csv",
        "  why  hard=True",
        "  fix  penstock redrive r1",
        "       or --drop",
    ]


def test_an_error_is_one_json_object():
    out = output(json=True)
    out.fail(ERROR)
    assert json.loads(spoken(out)[0]) == {
        "event": "error", "code": "E204", "message": "2 rows failed", "at": "landing/leeds.csv", "why": "hard=True",
        "fix": "penstock redrive r1\nor --drop",
    }  # fmt: skip


def test_text_and_json_do_not_mix():
    human, machine = output(), output(json=True)
    for out in (human, machine):
        out.say("text")
        out.note("aside")
        out.table(("a",), [(1,)])
        out.event("happened", rows=1)
    assert spoken(human) == ("text\na\n─\n1\n", "aside\n")
    assert spoken(machine) == ('{"event": "happened", "rows": 1}\n', "")


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"NO_COLOR": ""}, True)],
)
def test_colour_only_on_a_terminal(terminal, variables, coloured):
    painted = output(terminal=terminal, variables=variables).paint("red", "x")
    assert painted == ("\033[31mx\033[0m" if coloured else "x")


def test_a_table_puts_numbers_on_the_right():
    assert table_lines(("name", "rows"), [("a", 1200), ("longer", None)]) == [
        "name     rows",
        "──────  ─────",
        "a       1,200",
        "longer      –",
    ]


def test_a_key_in_a_table_can_be_copied():
    assert table_lines(("id",), [(-105567153814585206,)], counts=False)[-1] == "-105567153814585206"


def test_a_table_cuts_long_cells_and_hides_control_characters():
    line = table_lines(("text",), [("x" * 80 + "\n",), ("a\x1b[31mb",)])
    assert (len(line[2]), line[2][-1], line[3]) == (60, "…", "a·[31mb")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("5.20"), "5.20"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+3"), "1000"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (datetime(2024, 3, 4, 9, tzinfo=UTC), '"2024-03-04T09:00:00+00:00"'),
        (date(2024, 3, 4), '"2024-03-04"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\x00\xff", '"AP8="'),
        ({"a": [Decimal("0.1"), None, True], 1: {}}, '{"a": [0.1, null, true], "1": {}}'),
        ("é\n", '"é\\n"'),
    ],
)
def test_json_values_are_exact(value, text):
    assert encode(value) == text
    json.loads(text)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_rewrites_one_line_on_a_terminal():
    out, clock = output(terminal=True), Clock()
    progress = Progress(out, "cafe", clock)
    for clock.now in (0.2, 1.0, 1.01, 2.0):
        progress.update(1000 * int(clock.now), "load")
    assert spoken(out)[1] == "\rcafe  load  1,000 rows  1,000 rows/s  1 s\rcafe  load  2,000 rows  1,000 rows/s  2 s"


def test_progress_leaves_a_clean_line():
    out, clock = output(terminal=True), Clock()
    with Progress(out, "cafe", clock) as progress:
        clock.now = 1.0
        progress.update(0)
    assert spoken(out)[1] == "\rcafe  1 s\r" + " " * 9 + "\r"


def test_progress_is_a_plain_line_now_and_then_elsewhere():
    out, clock = output(), Clock()
    progress = Progress(out, "cafe", clock)
    for clock.now in (1.0, 6.0, 7.0):
        progress.update(600)
    assert spoken(out) == ("", "cafe  600 rows  100 rows/s  6 s\n")


def test_progress_moves_while_the_work_says_nothing():
    out = output(terminal=True)
    with Progress(out, "cafe"):
        deadline = time.monotonic() + 5
        while not spoken(out)[1] and time.monotonic() < deadline:
            time.sleep(0.01)
    assert spoken(out)[1].startswith("\rcafe  1 s")


def test_progress_is_silent_for_programs():
    out, clock = output(json=True), Clock()
    with Progress(out, "cafe", clock) as progress:
        clock.now = 60.0
        progress.update(600)
    assert spoken(out) == ("", "")


@pytest.mark.parametrize(
    ("beside", "on_path", "said"),
    [(True, True, "penstock"), (True, False, "{bin}/penstock"), (False, True, "{bin}/python -m penstock")],
)
def test_the_command_is_named_as_it_can_be_called(tmp_path, monkeypatch, beside, on_path, said):
    if beside:
        (tmp_path / "penstock").write_text("#!/bin/sh\n")
        (tmp_path / "penstock").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path) if on_path else "/nowhere")
    assert command() == said.format(bin=tmp_path)


def narrow(encoding: str) -> io.TextIOWrapper:
    """A stream of another locale."""
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def said(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode(stream.encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("encoding", "text"), [("ascii", "? caf?\n"), ("latin-1", "? café\n"), ("utf-8", "✓ café\n")])
def test_what_a_stream_cannot_show_is_replaced(encoding, text):
    stream = narrow(encoding)
    Output(stdout=stream, stderr=stream).say("✓ café")
    assert said(stream) == text


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_keeps_every_character_on_every_stream(encoding):
    stream = narrow(encoding)
    Output(json=True, stdout=stream, stderr=stream).record({"naïve": 'São "Paulo" ✓ 🦦'})
    assert json.loads(said(stream)) == {"naïve": 'São "Paulo" ✓ 🦦'}


def test_output_that_cannot_be_written_is_no_mistake_of_ours():
    with Path("/dev/full").open("w") as full, pytest.raises(StorageUnavailable, match="the output cannot be written"):
        Output(stdout=full, stderr=full).say("x")


def test_streams_may_be_closed(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    out = Output()
    out.say("x")
    out.stdout.close()


def test_a_dumb_terminal_has_no_colour(monkeypatch):
    stream = narrow("utf-8")
    monkeypatch.setattr(stream, "isatty", lambda: True)
    plain, coloured = (Output(stdout=stream, variables={"TERM": term}).paint("red", "x") for term in ("dumb", "xterm"))
    assert (plain, coloured) == ("x", "\033[31mx\033[0m")
