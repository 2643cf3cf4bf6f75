"""Send a day of made-up readings to the stream, as the feed would have them: `python make_data.py [YYYY-MM-DD]`."""

from __future__ import annotations

import math
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import penstock as ps

SINGAPORE = timezone(timedelta(hours=8))
MINUTES = 15


def counts(day, seed=1):
    """Moments of a day and how many taxis are free: few in the rush hours, many at noon. A few readings are missing."""
    chance = random.Random(seed)
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


if __name__ == "__main__":
    day = sys.argv[1] if len(sys.argv) > 1 else "2026-11-14"
    with ps.writer("taxis", project=Path(__file__).parent) as feed:
        sent = [feed.write(geojson(*reading), ids=[reading[0].isoformat()]).accepted for reading in counts(day)]
    sys.stdout.write(f"{sum(sent)} readings of {day}\n")
