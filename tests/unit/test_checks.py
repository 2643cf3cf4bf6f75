from __future__ import annotations

import json
import subprocess

from tools.check import judge_audit, judge_status, main

SOUND = {"name": "sound", "version": "1", "vulns": []}
FLAWED = {"name": "flawed", "version": "1", "vulns": [{"id": "CVE-2026-1"}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


def audit(*packages):
    return judge_audit(subprocess.CompletedProcess([], 0, json.dumps({"dependencies": packages}), ""))


def test_an_exit_code_other_than_zero_fails_with_all_output():
    outcome = judge_status(subprocess.CompletedProcess([], 1, "out\n", "err\n"))
    assert (outcome.passed, outcome.output) == (False, "out\nerr\n")


def test_sound_packages_pass():
    assert audit(SOUND).passed is True


def test_a_flaw_fails_and_is_named():
    outcome = audit(SOUND, FLAWED)
    assert (outcome.passed, outcome.output) == (False, "flawed CVE-2026-1")


def test_no_answer_for_any_package_is_no_pass():
    outcome = audit(UNKNOWN, UNKNOWN)
    assert outcome.passed is None
    assert outcome.note == "skipped: 2 of 2 packages: no advisory service answers for them"


def test_packages_without_an_answer_are_counted_beside_a_pass():
    outcome = audit(SOUND, UNKNOWN)
    assert (outcome.passed, outcome.note[:18]) == (True, "1 of 2 packages: n")


def test_an_audit_that_breaks_is_skipped_with_its_reason():
    outcome = judge_audit(subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: no route\n"))
    assert outcome.passed is None
    assert "ConnectionError: no route" in outcome.note


def test_an_unknown_check_is_answered_with_the_known_ones(capsys):
    assert main(["tpyes"]) == 2
    assert "choose from format, lint, security, types, layers, advisories, tests" in capsys.readouterr().err
