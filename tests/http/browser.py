"""Debian's Chromium without a window, driven by playwright-core of npm (tests/browser)."""
import json
import shutil
import subprocess

import pytest

from npm import npm_folder
from replies import REPOSITORY

SOURCES = REPOSITORY / "tests" / "browser"


class Browser:
    """Skips, with the reason, where there is none."""

    def __init__(self, driver="page.mjs", sources=SOURCES, name="browser"):
        chromium = shutil.which("chromium")
        if not chromium:
            pytest.skip("chromium is needed: tools/install-packages test")
        folder = npm_folder(sources, name, "a browser's driver")
        self.process = subprocess.Popen(["node", str(sources / driver), folder, chromium], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __call__(self, **asked):
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()
