"""A dashboard, compiled against the types that Grafana publishes, where Node is; everywhere else `test_grafana` holds
it to a schema that was derived from the same types."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.boards import board

SUPPORT = Path(__file__).parents[1] / "support/grafana"
BOARD = board()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What the TypeScript compiler says about a dashboard."""
    if not shutil.which("npm"):
        pytest.skip("no Node here: the schema that was derived from the same types is tested instead")
    folder = tmp_path_factory.mktemp("types")
    told = importlib.util.spec_from_file_location("derive", SUPPORT / "derive.py")
    derive = importlib.util.module_from_spec(told)
    told.loader.exec_module(derive)
    try:
        derive.installed(folder, *derive.PACKAGES[:2])
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("no packages for Node within reach")

    def compile_(text):
        begin = "import type { PenstockDashboard } from './types';\nexport const board: PenstockDashboard = "
        (folder / "board.ts").write_text(f"{begin}{text};\n")
        options = ("--strict", "--noEmit", "--skipLibCheck", "--moduleResolution", "bundler", "--module", "esnext")
        done = subprocess.run(
            ["npx", "tsc", *options, "board.ts"], cwd=folder, capture_output=True, text=True, check=False
        )
        return done.stdout

    return compile_


@pytest.mark.packaging
@pytest.mark.timeout(180)
def test_the_typescript_compiler_takes_a_dashboard_and_no_misspelt_field(compiled):
    text = json.dumps(BOARD)
    assert compiled(text) == ""
    assert "error TS" in compiled(text.replace('"gridPos"', '"gridPso"', 1))
    assert "error TS" in compiled(text.replace('"fillOpacity"', '"fillOpacty"', 1))
