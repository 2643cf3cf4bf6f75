"""Temporary folders of the dead are swept, those of the living are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.adapters.scratch import Scratch
from penstock.errors import StorageUnavailable

SOURCE = Path(__file__).parents[2] / "src"

DIES = """
import os, signal, sys
from pathlib import Path
from penstock.adapters.scratch import Scratch
(Scratch(Path(sys.argv[1])).folder / "spilled").write_text("rows")
os.kill(os.getpid(), signal.SIGKILL)
"""

PASSES = """
from penstock.model.faults import point
for number in range(5):
    print(number, flush=True)
    point("here")
    point("there")
"""


def run(code, *arguments, **environment):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, check=False)


def test_the_dead_are_swept(tmp_path):
    assert run(DIES, str(tmp_path)).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    scratch = Scratch(tmp_path)
    assert list(tmp_path.iterdir()) == [scratch.folder]
    scratch.close()


def test_the_living_are_left_alone(tmp_path):
    one, other = Scratch(tmp_path), Scratch(tmp_path)
    assert {*tmp_path.iterdir()} == {one.folder, other.folder}
    one.close()
    other.close()
    assert not tmp_path.exists()


def test_no_room_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        Scratch(tmp_path / "file" / "below")


@pytest.mark.parametrize(("wanted", "reached"), [("here", "0\n"), ("here:3", "0\n1\n2\n"), ("there:2", "0\n1\n")])
def test_a_crash_point_kills_at_its_passage(wanted, reached):
    done = run(PASSES, PENSTOCK_CRASH_AT=wanted)
    assert (done.returncode, done.stdout.decode()) == (-signal.SIGKILL, reached)


@pytest.mark.parametrize("wanted", ["", "nowhere", "her"])
def test_other_points_are_passed(wanted):
    assert run(PASSES, PENSTOCK_CRASH_AT=wanted).returncode == 0
