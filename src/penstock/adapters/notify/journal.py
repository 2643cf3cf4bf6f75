"""Messages as lines of a file: `file:notices.jsonl`. For trying things out, and for programs that follow it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from penstock.errors import ChannelRefused, StorageUnavailable
from penstock.model.messages import Message


@dataclass(frozen=True, slots=True)
class Journal:
    """One file; each message is one line of JSON."""

    path: Path

    @classmethod
    def parse(cls, url: str, folder: Path) -> Self:
        """`file:name` lies in the folder, `file:///path` where it says."""
        name = url.partition(":")[2]
        path = name.removeprefix("//")
        if not path or (name.startswith("//") and not path.startswith("/")):
            raise ChannelRefused("the URL of a file names none", fix="file:notices.jsonl   or   file:///var/log/…")
        return cls(folder / path)

    def send(self, message: Message) -> None:
        """Append it."""
        line = {"id": message.id, "subject": message.subject, "text": message.text, **message.facts}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False, default=dict) + "\n")
        except OSError as error:
            raise StorageUnavailable(
                "the file of messages cannot be written", at=str(self.path), why=error.strerror or ""
            ) from error
