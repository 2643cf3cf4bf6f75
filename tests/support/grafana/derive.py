"""Derive schema.json from types.ts, for machines without Node: `python tests/support/grafana/derive.py`. Needs npm.

`@grafana/schema` is Apache-2.0 (NOTICE); schema.json is derived from it, without its descriptions.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3", "ts-json-schema-generator@2.4.0")
SILENT = ("description", "default", "deprecated")


def installed(folder: Path, *packages: str) -> None:
    """Packages in a folder of their own, without running their scripts."""
    (folder / "package.json").write_text("{}")
    shutil.copy(HERE / "types.ts", folder)
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefer-offline")
    subprocess.run(["npm", "install", *options, *packages], cwd=folder, check=True, capture_output=True, timeout=90)


def plain(part: Any, *, names: bool = False) -> Any:
    """A schema without its prose."""
    if isinstance(part, dict):
        kept = {key: value for key, value in part.items() if names or key not in SILENT}
        return {key: plain(value, names=key == "properties" and not names) for key, value in kept.items()}
    return [plain(each) for each in part] if isinstance(part, list) else part


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        installed(folder, *PACKAGES)
        command = [
            "npx",
            "ts-json-schema-generator",
            "--path",
            "types.ts",
            "--type",
            "PenstockDashboard",
            "--no-top-ref",
        ]
        done = subprocess.run([*command, "--no-type-check"], cwd=folder, check=True, capture_output=True, text=True)
    schema = plain(json.loads(done.stdout))
    (HERE / "schema.json").write_text(json.dumps(schema, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
