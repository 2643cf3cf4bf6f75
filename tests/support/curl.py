"""As much of curl as the docs use, for machines without it: `curl [-s] [-H NAME:VALUE]… [-d DATA|@FILE] URL`."""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", "--data-binary")
    options = parser.parse_args()
    data = options.data_binary
    body = None if data is None else Path(data[1:]).read_bytes() if data.startswith("@") else data.encode()
    headers = {name: value.strip() for name, _, value in (header.partition(":") for header in options.H)}
    request = urllib.request.Request(options.url, data=body, headers=headers)  # noqa: S310  what the docs name
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  the same
            sys.stdout.buffer.write(response.read())
    except urllib.error.HTTPError as error:
        with error:
            sys.stdout.buffer.write(error.read())


if __name__ == "__main__":
    main()
