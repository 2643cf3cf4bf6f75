"""Slack and everything else that Apprise speaks to: https://github.com/caronc/apprise/wiki lists the URLs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from penstock.errors import ChannelRefused, ChannelUnavailable, MissingExtra
from penstock.model.messages import Message

if TYPE_CHECKING:
    from apprise import Apprise


@dataclass(frozen=True, slots=True)
class Service:
    """One URL of Apprise's."""

    scheme: str
    service: Apprise = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises `ChannelRefused` without saying what the URL holds: tokens, most of the time."""
        scheme = url.partition(":")[0]
        try:
            from apprise import Apprise
        except ImportError as error:
            raise MissingExtra(f"a {scheme}: channel needs Apprise", fix="pip install 'penstock[notify]'") from error
        # Its warnings quote URLs.
        logging.getLogger("apprise").disabled = True
        service = Apprise()
        if not service.add(url):
            raise ChannelRefused(
                f"the {scheme}: URL of a channel is none that Apprise knows",
                fix="https://github.com/caronc/apprise/wiki   lists them",
            )
        return cls(scheme, service)

    def send(self, message: Message) -> None:
        """Hand it over. Apprise says only whether it went well, so that everything else is worth another try."""
        from apprise import NotifyFormat, NotifyType

        good = message.facts.get("status") in ("succeeded", "test")
        kind = NotifyType.SUCCESS if good else NotifyType.FAILURE
        if not self.service.notify(message.text, message.subject, kind, body_format=NotifyFormat.TEXT):
            raise ChannelUnavailable("the service did not take the message", at=f"{self.scheme}:")
