"""Workers' names, and whether anybody still answers to one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from penstock.wiring.names import is_gone, name_of_worker


@pytest.fixture
def gone():
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_this_process_is_there():
    assert not is_gone(name_of_worker())


def test_a_worker_is_there_for_as_long_as_the_process_that_started_it():
    assert not is_gone(name_of_worker(3))


@pytest.mark.parametrize("serial", ["", "-2"])
def test_a_process_that_has_ended_is_gone(gone, serial):
    assert is_gone(f"{socket.gethostname()}-{gone}{serial}")


def test_what_became_of_another_machines_worker_is_not_known(gone):
    assert not is_gone(f"elsewhere-{gone}")


@pytest.mark.parametrize("name", ["", "machine", f"{socket.gethostname()}-", f"{socket.gethostname()}-{os.getpid()}x"])
def test_other_names_are_nobodys(name):
    assert not is_gone(name)
