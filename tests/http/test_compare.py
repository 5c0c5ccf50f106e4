"""bench/compare: a case whose books do not balance has no result, and nothing that was started is left behind."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon import binary, clean_environment
from replies import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "bench"))

from side_by_side import report, svg  # noqa: E402

COMMAND = [str(REPOSITORY / "bench" / "compare"), "--no-install", "--only", "hot", "--pairs", "1", "--seconds", "0.3"]


def command(tmp_path):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return [*COMMAND, "--out", str(tmp_path / "out"), "--work-dir", str(work)]


def programs(tmp_path, forgetful):
    """A folder with the two programs; a forgetful recharged begins with empty books at every third start."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "recharge").symlink_to(binary("RECHARGE_BIN", "recharge"))
    if not forgetful:
        (folder / "recharged").symlink_to(binary())
    else:
        (folder / "recharged").write_text(f"""#!/bin/bash
data=$4
echo start >>"$data.starts"
if [ $(($(wc -l <"$data.starts") % 3)) = 0 ]; then find "$data" -mindepth 1 ! -name callback.secret -delete; fi
exec {binary()} "$@"
""")
        (folder / "recharged").chmod(0o755)
    return clean_environment({"RECHARGE_BENCH_BIN": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})


def on_disk(tmp_path):
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, text=True, check=True).stdout.strip()
    return kind not in ("tmpfs", "ramfs")


@pytest.mark.parametrize("forgetful", [False, True], ids=["sound", "forgetful"])
def test_unbalanced_books_void_the_result(tmp_path, forgetful):
    if not on_disk(tmp_path):
        pytest.skip("the temporary folder lies in memory")
    done = subprocess.run(command(tmp_path), env=programs(tmp_path, forgetful), capture_output=True, text=True, timeout=120,
                          check=False)
    goals = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))["goals"]
    hot = next(goal for goal in goals if goal["name"] == "P4")
    if forgetful:
        assert done.returncode == 1 and hot["samples"] == [] and "NOT balance" in hot["verdict"], done.stderr
    else:
        assert done.returncode == 0 and len(hot["samples"]) == 1, done.stderr
        assert (tmp_path / "out" / "hot.svg").exists()
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_it_started_ends_with_it(tmp_path, number):
    if not on_disk(tmp_path):
        pytest.skip("the temporary folder lies in memory")
    with subprocess.Popen(command(tmp_path), env=programs(tmp_path, False), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 20
        while not started_below(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert started_below(tmp_path)
        running.send_signal(number)
        running.wait(20)
    while started_below(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert started_below(tmp_path) == []


def started_below(tmp_path):
    """Processes that name the folder of this test in their command, bench/compare itself left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if words[0].startswith(str(tmp_path)):
                found.append(words)
    return found


def test_verdicts():
    goals = report.goals()
    goals["P4"].add(0.8)
    goals["P4"].add(0.95)
    goals["P4"].add(0.96)
    goals["P2/64"].add(1.9)
    goals["P8"].add(1.0)
    goals["P8"].wholly = False
    assert (goals["P4"].median, goals["P4"].verdict) == (0.95, "met")
    assert goals["P2/64"].verdict == "MISSED"
    assert goals["P8"].verdict == "met, at a smaller size than the goal's"
    assert goals["P9"].verdict == "not measured: not chosen"


def test_plots_are_well_formed():
    import xml.etree.ElementTree
    text = svg.line_plot("a < b", "x", "y", {"one": [(1, 5.0), (1024, 7)], "flat": [(1, 0)]}, log_x=True)
    assert len(xml.etree.ElementTree.fromstring(text).findall("{http://www.w3.org/2000/svg}polyline")) == 2
