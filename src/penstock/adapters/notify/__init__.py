"""Ways to people. A channel's URL says which: `smtp:` and `smtps:` are mail, `http:` and `https:` a webhook, `file:` a
file of lines, and everything else is Apprise's (`slack:`, `msteams:`, `tgram:` and a hundred more)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.runtime.notices import Channel

SECONDS = 10.0
"""For how long a server may take to answer."""


def open_channel(url: str, folder: Path) -> Channel:
    """The channel behind a URL; a relative `file:` lies in the project's folder. Raises `ChannelRefused`."""
    scheme = url.partition(":")[0].lower()
    if scheme in ("smtp", "smtps"):
        from penstock.adapters.notify.mail import Mail

        return Mail.parse(url, SECONDS)
    if scheme in ("http", "https"):
        from penstock.adapters.notify.webhook import Webhook

        return Webhook.parse(url, SECONDS)
    if scheme == "file":
        from penstock.adapters.notify.journal import Journal

        return Journal.parse(url, folder)
    from penstock.adapters.notify.services import Service

    return Service.parse(url)
