"""Made-up readings of a day, from 00:00 on: `python make_data.py [YYYY-MM-DD]` sends them to the stream; with
`--feed PORT` they are a feed, which shows the next one, from 08:00 on, each time that it is polled."""

from __future__ import annotations

import json
import math
import random
import sys
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import penstock as ps

SINGAPORE = timezone(timedelta(hours=8))
MINUTES = 15


def counts(day, seed=1):
    """Moments of a day and how many taxis are free: few in the rush hours, many at noon. A few readings are missing."""
    chance = random.Random(f"{day} {seed}")
    midnight = datetime.fromisoformat(day).replace(tzinfo=SINGAPORE)
    for minute in range(0, 24 * 60, MINUTES):
        wave = math.sin(minute / 1440 * 4 * math.pi)
        if chance.random() > 0.03:
            yield midnight + timedelta(minutes=minute), int(2800 + 900 * wave + chance.uniform(-120, 120))


def geojson(moment, free):
    """A reading as the feed shows it: one coordinate pair for each taxi."""
    places = [[103.6 + 0.4 * (n % 97) / 97, 1.24 + 0.2 * (n % 89) / 89] for n in range(free)]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "MultiPoint", "coordinates": places},
                "properties": {"timestamp": moment.isoformat(), "taxi_count": free, "api_info": {"status": "healthy"}},
            }
        ],
    }


class Feed(BaseHTTPRequestHandler):
    """Whoever asks sees the next reading."""

    def do_GET(self):
        self.server.newest = next(self.server.readings, None) or self.server.newest
        body = json.dumps(self.server.newest).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(day, port):
    """Answer until Ctrl-C; when the day is over, with its last reading."""
    with HTTPServer(("127.0.0.1", port), Feed) as server:
        server.readings = (geojson(*reading) for reading in counts(day) if reading[0].hour >= 8)
        sys.stdout.write(f"readings of {day} at http://127.0.0.1:{server.server_port}/\n")
        sys.stdout.flush()
        server.serve_forever()


def send(day):
    """To the stream, as if they had been polled."""
    with ps.writer("taxis", project=Path(__file__).parent) as feed:
        sent = [feed.write(geojson(*reading), ids=[reading[0].isoformat()]).accepted for reading in counts(day)]
    sys.stdout.write(f"{sum(sent)} readings of {day}\n")


if __name__ == "__main__":
    said = sys.argv[1:]
    port = int(said.pop(said.index("--feed") + 1)) if "--feed" in said else None
    day = next((word for word in said if word != "--feed"), "2026-11-14")
    send(day) if port is None else serve(day, port)
