"""A webhook: the message as JSON to a URL of one's own, `https://user:password@example.org/penstock`.

Redirects are not followed: a message goes where its URL says, or nowhere.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Self
from urllib.parse import unquote, urlsplit

from penstock.errors import ChannelRefused, ChannelUnavailable
from penstock.model.messages import Message

OK, PERMANENT, SERVER = 200, 300, 500
LATER = (408, 425, 429)
"""Answers that ask to come again."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One URL."""

    host: str
    port: int | None
    target: str = field(repr=False)
    """Path and query: they may hold a secret."""
    secure: bool
    seconds: float
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, seconds: float) -> Self:
        """Raises `ChannelRefused` without saying what the URL holds."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ChannelRefused("the URL of a webhook cannot be read") from error
        if not parts.hostname or not (parts.path + parts.query).isascii() or " " in url:
            raise ChannelRefused("the URL of a webhook lacks a part", fix="https://example.org/path")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        basic = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        authorization = f"Basic {base64.b64encode(basic).decode()}" if parts.username else ""
        return cls(parts.hostname, port, target, parts.scheme.lower() == "https", seconds, authorization)

    def send(self, message: Message) -> None:
        """POST it, with a key by which a receiver knows it again."""
        body = {"id": message.id, "subject": message.subject, "text": message.text, **message.facts}
        headers = {"Content-Type": "application/json", "User-Agent": "penstock", "Idempotency-Key": message.id}
        if self.authorization:
            headers["Authorization"] = self.authorization
        status = self._post(json.dumps(body, ensure_ascii=False, default=dict).encode(), headers)
        if not OK <= status < PERMANENT:
            later = status >= SERVER or status in LATER
            kind = ChannelUnavailable if later else ChannelRefused
            raise kind("the webhook did not take the message", at=self.host, why=f"it answered {status}")

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        make = HTTPSConnection if self.secure else HTTPConnection
        connection = make(self.host, self.port, timeout=self.seconds)
        try:
            connection.request("POST", self.target, body, headers)
            return connection.getresponse().status
        except (OSError, HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise ChannelUnavailable("the webhook does not answer", at=self.host, why=why) from error
        finally:
            connection.close()
