"""What the command line prints: text for people, or one JSON object a line; errors with their way out."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TextIO

from penstock.errors import PenstockError, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "error": "1;31"}
REFRESH_SECONDS = 0.1
PLAIN_SECONDS = 5.0
QUIET_SECONDS = 0.5
WIDEST_CELL = 60


class Output:
    """One command's way to speak. Text and JSON never mix: what one form prints, the other leaves out."""

    def __init__(
        self,
        *,
        json: bool = False,
        verbose: bool = False,
        variables: Mapping[str, str] | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json, self.verbose = json, verbose
        self.stdout = stdout or sys.stdout or _nowhere()
        self.stderr = stderr or sys.stderr or _nowhere()
        known = variables or {}
        self._colours = not json and not known.get("NO_COLOR") and known.get("TERM") != "dumb"

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.json:
            self._line(self.stdout, text)

    def note(self, text: str) -> None:
        """A line for people that is no part of the result."""
        if not self.json:
            self._line(self.stderr, text)

    def record(self, facts: Mapping[str, Any]) -> None:
        """A line for programs."""
        if self.json:
            text = encode(facts)
            self._line(self.stdout, text if _takes(self.stdout, text) else _escaped(text))

    @staticmethod
    def _line(stream: TextIO, text: str) -> None:
        if not _takes(stream, text):
            text = text.encode(stream.encoding, "replace").decode(stream.encoding)
        try:
            # In one piece: several threads may speak.
            stream.write(text + "\n")
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _give_up(stream)
            raise StorageUnavailable("the output cannot be written", why=error.strerror or "") from error

    def event(self, event: str, **facts: Any) -> None:
        """A line for programs that says what happened."""
        self.record({"event": event, **facts})

    def fail(self, error: PenstockError) -> None:
        """An error: on stdout for programs, on stderr for people."""
        if self.json:
            self.event("error", **error.facts())
            return
        lines = [f"{self.paint('error', f'error[{error.code}]', self.stderr)}: {error.what}"]
        for name, text in (("at", error.at), ("why", error.why), ("fix", error.fix)):
            for index, line in enumerate(text.splitlines()):
                label = "" if index else name
                lines.append(f"  {' ' * (3 - len(label))}{self.paint('dim', label, self.stderr)}  {line}")
        self._line(self.stderr, "\n".join(lines))

    def paint(self, style: str, text: str, stream: TextIO | None = None) -> str:
        """Colour where a person looks: a terminal, and no NO_COLOR."""
        if not text or not self._colours or not (stream or self.stdout).isatty():
            return text
        return f"\033[{STYLES[style]}m{text}\033[0m"

    def mark(self, outcome: str) -> str:
        """✓ for what is `good`, ✗ for what is `bad`, • for everything between."""
        style, sign = {"good": ("green", "✓"), "bad": ("red", "✗")}.get(outcome, ("yellow", "•"))
        return self.paint(style, sign)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, indent: str = "", counts: bool = True
    ) -> None:
        """A table for people; numbers stand on the right. Whole numbers that are no `counts` stand as they are."""
        if self.json:
            return
        for line in table_lines(columns, list(rows), counts=counts):
            self.say(indent + line)

    def progress(self, label: str) -> Progress:
        """Progress on long work; silent with `--json`."""
        return Progress(self, label)


class Progress:
    """One line rewritten in place on a terminal, a plain line now and then elsewhere: what, rows, rate, seconds.

    A thread keeps it moving while the work says nothing; work that is over in a moment shows nothing at all.
    """

    def __init__(self, out: Output, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._label, self._clock = out, label, clock
        self._terminal = out.stderr.isatty()
        self._began = clock()
        self._last = self._began + QUIET_SECONDS - REFRESH_SECONDS if self._terminal else self._began
        self._rows, self._what, self._width = 0, "", 0
        self._lock, self._over = threading.Lock(), threading.Event()
        self._ticker = threading.Thread(target=self._tick_on, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if not self._out.json:
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._ticker.is_alive():
            self._ticker.join()
        if self._width:
            self._write("")

    def update(self, rows: int, what: str = "") -> None:
        """How far the work is."""
        self._rows, self._what = rows, what
        self.tick()

    def tick(self) -> None:
        """Say how far the work is, at most ten times a second on a terminal and every five seconds elsewhere."""
        with self._lock:
            now = self._clock()
            if self._out.json or now - self._last < (REFRESH_SECONDS if self._terminal else PLAIN_SECONDS):
                return
            self._last = now
            line = self.line(now - self._began)
            if self._terminal:
                self._write(line)
            else:
                self._out.note(line)

    def line(self, seconds: float) -> str:
        """The line after so many seconds."""
        parts = [self._label, self._what]
        if self._rows:
            parts += [f"{self._rows:,} rows", f"{self._rows / max(seconds, 0.001):,.0f} rows/s"]
        return "  ".join(part for part in (*parts, f"{seconds:.0f} s") if part)

    def _tick_on(self) -> None:
        while not self._over.wait(REFRESH_SECONDS):
            self.tick()

    def _write(self, line: str) -> None:
        print("\r" + line.ljust(self._width) + ("" if line else "\r"), end="", file=self._out.stderr, flush=True)
        self._width = len(line)


def _nowhere() -> TextIO:
    """Where words go when the standard stream was closed before the start."""
    import os

    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  it lives as long as the command


def _give_up(stream: TextIO) -> None:
    """What is still to be written goes nowhere: at the exit, too, when Python empties the buffer."""
    import os
    from contextlib import suppress

    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _escaped(text: str) -> str:
    """The same JSON in ASCII: anything else stands in its strings alone."""
    import json

    return "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)


def _takes(stream: TextIO, text: str) -> bool:
    """Whether a stream's encoding has every character: a terminal of another locale may not."""
    if text.isascii() or not stream.encoding:
        return True
    try:
        text.encode(stream.encoding, stream.errors or "strict")
    except UnicodeEncodeError:
        return False
    return True


def command() -> str:
    """How this program is called from here, so that what is proposed can be copied."""
    import os
    import shutil

    beside = os.path.join(os.path.dirname(sys.executable), "penstock")  # noqa: PTH118, PTH120  cheaper than pathlib
    found = shutil.which("penstock")
    if found and os.path.exists(beside) and os.path.samefile(found, beside):  # noqa: PTH110, PTH121
        return "penstock"
    return beside if os.path.exists(beside) else f"{sys.executable} -m penstock"  # noqa: PTH110


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, counts: bool = True) -> list[str]:
    """The lines of a table, its header first; long cells are cut."""
    cells = [[cell(value, counts=counts) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[index]) for row in cells), 0) for index, name in enumerate(columns)]
    right = [bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(columns))]

    def line(values: Sequence[str]) -> str:
        placed = (
            text.rjust(width) if side else text.ljust(width)
            for text, width, side in zip(values, widths, right, strict=True)
        )
        return "  ".join(placed).rstrip()

    return [line(columns), "  ".join("─" * width for width in widths), *(line(row) for row in cells)]


def cell(value: Any, *, counts: bool = True) -> str:
    """A value as people read it in a table: of a count its thousands, of a key all that can be copied."""
    if value is None:
        return "–"
    text = f"{value:,}" if counts and isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = "".join(character if character.isprintable() else "·" for character in text)
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 1] + "…"


def _is_number(value: Any) -> bool:
    from decimal import Decimal

    return value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))


def encode(value: Any) -> str:
    """JSON in one line. Decimals stay exact, instants are ISO 8601, bytes are base64, NaN and infinities are null."""
    import json
    from decimal import Decimal

    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(str(key), ensure_ascii=False)}: {encode(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(encode(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else "null"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124  NaN
        return "null"
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        import base64

        return base64.b64encode(bytes(value)).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
