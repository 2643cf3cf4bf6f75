"""Mail over SMTP: `smtp://user:password@mail.example.org:587?from=etl@example.org&to=team@example.org,boss@example.org`.

`smtps:` is encrypted from the start; `smtp:` becomes so as soon as the server offers it. A password is never sent in
clear text.
"""

from __future__ import annotations

import hashlib
import logging
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from penstock.errors import ChannelRefused, ChannelUnavailable
from penstock.model.messages import Message

log = logging.getLogger("penstock")

EXAMPLE = "smtp://user:password@mail.example.org:587?from=etl@example.org&to=team@example.org"
PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """One sender, one or more receivers."""

    host: str
    port: int
    sender: str
    receivers: tuple[str, ...]
    seconds: float
    encrypted: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, seconds: float) -> Self:
        """Raises `ChannelRefused` without saying what the URL holds: it may hold a password."""
        try:
            parts = urlsplit(url)
            port, query = parts.port, parse_qs(parts.query)
        except ValueError as error:
            raise ChannelRefused("the URL of a mail channel cannot be read", fix=EXAMPLE) from error
        receivers = [one.strip() for many in query.get("to", []) for one in many.split(",") if one.strip()]
        sender = query.get("from", [""])[0].strip()
        if not parts.hostname or not sender or not receivers or any(c in "".join((sender, *receivers)) for c in "\r\n"):
            raise ChannelRefused(
                "the URL of a mail channel lacks a part", why="it needs a host, from= and to=", fix=EXAMPLE
            )
        encrypted = parts.scheme.lower() == "smtps"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        usual = 465 if encrypted else 587
        return cls(parts.hostname, port or usual, sender, tuple(receivers), seconds, encrypted, user, password)

    def send(self, message: Message) -> None:
        """Hand it to the server. Where it takes the mail for some receivers and not for others, it is sent."""
        with self._translated(), self._connected() as server:
            refused = server.send_message(self._letter(message))
        if refused:
            log.warning("Receivers refused", extra={"action": "receivers_refused", "receivers": len(refused)})

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self.sender, ", ".join(self.receivers), message.subject
        letter["Date"] = format_datetime(message.created_at)
        # The same after every retry: mail programs show what comes twice once.
        name = hashlib.sha256(f"{message.id} {message.created_at.isoformat()}".encode()).hexdigest()[:32]
        letter["Message-ID"] = f"<{name}@penstock.invalid>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.text)
        return letter

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        context = ssl.create_default_context()
        connection = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=self.seconds, context=context)
            if self.encrypted
            else smtplib.SMTP(self.host, self.port, timeout=self.seconds)
        )
        with connection as server:
            server.ehlo()
            if not self.encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if self.user:
                self._log_in(server)
            yield server

    def _log_in(self, server: smtplib.SMTP) -> None:
        if not isinstance(server.sock, ssl.SSLSocket):
            raise ChannelRefused(
                "the mail server offers no encryption, and the password was not sent in clear text",
                at=self._place,
                fix="use smtps:, or a server with STARTTLS, or a URL without a password",
            )
        server.login(self.user, self.password)

    @property
    def _place(self) -> str:
        return f"{self.host}:{self.port}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise self._answered(min(codes, default=PERMANENT)) from error
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelRefused("the mail server lacks what the mail needs", at=self._place) from error
        except (smtplib.SMTPException, OSError) as error:
            why = getattr(error, "strerror", "") or type(error).__name__
            raise ChannelUnavailable("the mail server does not answer", at=self._place, why=why) from error

    def _answered(self, code: int) -> ChannelRefused | ChannelUnavailable:
        kind = ChannelRefused if code >= PERMANENT else ChannelUnavailable
        return kind("the mail server did not take the mail", at=self._place, why=f"it answered {code}")
