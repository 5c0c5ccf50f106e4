#!/usr/bin/python3
"""The checks of bench/instructions and bench/ratios can fail: each is run on a copy of what is recorded, bent a little more
than it allows, with what was counted and measured given."""
import importlib.machinery
import importlib.util
import io
import json
import sys
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True


def script(name):
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", str(ROOT / "bench" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def run(module, *arguments):
    with mock.patch.object(sys, "argv", ["script", *arguments]), redirect_stdout(io.StringIO()) as shown:
        return module.main(), shown.getvalue()


class Instructions(unittest.TestCase):
    def counted(self, **changes):
        module = script("instructions")
        text = module.README.read_text(encoding="utf-8")
        counts = {name: int(number.replace(",", "")) for name, number, _ in module.ROW.findall(text)
                  if name in (*module.STAGES, "whole")}
        self.assertEqual(set(counts), {*module.STAGES, "whole"})
        counts = {name: count * changes.get(name, 1) for name, count in counts.items()}
        with mock.patch.object(module, "count", lambda _: counts), \
                mock.patch.object(module.shutil, "which", lambda _: "valgrind"), \
                mock.patch.object(module, "compiler", lambda: module.re.search(module.HEAD.format(r"(\d+)"), text)[1]):
            return run(module)

    def test_as_recorded(self):
        self.assertEqual(self.counted()[0], 0)
        self.assertEqual(self.counted(parse=1.029)[0], 0)

    def test_more_and_less(self):
        for change in (1.04, 0.96):
            code, shown = self.counted(parse=change)
            self.assertEqual(code, 1)
            self.assertIn("NOT within", shown)


class Ratios(unittest.TestCase):
    def compared(self, slower, runs):
        module = script("ratios")
        recorded = json.loads(module.RECORDED.read_text(encoding="utf-8"))
        bent = iter([{name: ratio * (slower if name == "whole_callback" and attempt < runs else 1)
                      for name, ratio in recorded["ratios"].items()} for attempt in range(module.ATTEMPTS)])
        with mock.patch.object(module, "measure", lambda _: next(bent)):
            return run(module)[0]

    def test_three_slow_runs_fail(self):
        self.assertEqual(self.compared(1.51, 3), 1)

    def test_one_slow_run_does_not(self):
        self.assertEqual(self.compared(2.0, 2), 0)
        self.assertEqual(self.compared(1.49, 3), 0)

    def test_every_benchmark_is_recorded(self):
        module = script("ratios")
        self.assertEqual(set(json.loads(module.RECORDED.read_text(encoding="utf-8"))["ratios"]), set(module.CALIBRATION))


if __name__ == "__main__":
    unittest.main()
