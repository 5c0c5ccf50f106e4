"""Packages of npm for a test: fetched once, as its package-lock.json has them, into a folder of the build."""
import json
import shutil
import subprocess

import pytest

from replies import REPOSITORY


def npm_folder(sources, name, what):
    """sources: the folder with package.json and package-lock.json; name: that of the folder under build/. Skips, with the
    reason, where `what` cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"node and npm are needed for {what}")
    folder = REPOSITORY / "build" / name
    needed = json.loads((sources / "package.json").read_text())["dependencies"]
    if not all((folder / "node_modules" / package / "package.json").is_file() for package in needed):
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(sources / file, folder)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]
        try:
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm could not fetch {what} within 120 s")
        if result.returncode != 0:
            pytest.skip(f"npm could not fetch {what}: {result.stderr[-300:]}")
    return str(folder)
