"""All of them, by name."""

from __future__ import annotations

from tests.systems.banking import BANKING
from tests.systems.cafe import CAFE
from tests.systems.checkins import CHECKINS
from tests.systems.covid import COVID
from tests.systems.taxis import TAXIS

SYSTEMS = {system.name: system for system in (CAFE, CHECKINS, COVID, TAXIS, BANKING)}
