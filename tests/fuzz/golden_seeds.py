#!/usr/bin/python3
"""Writes the golden records of the tests as seeds for fuzzing: hex there, bytes here.

    golden_seeds.py FOLDER     # FOLDER/journal_record/NAME and FOLDER/stored_record/NAME
"""
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# In the order of the cases of stored_record_fuzz.cc.
TABLES = ["order", "account", "transfer", "refund", "debit", "exception", "exception_key", "idempotency", "house", "totals"]
CHECKSUM_BYTES = 8  # the target makes it anew


def write(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main(out):
    for file in sorted((TESTS / "core/golden").glob("*.hex")):
        write(out / "journal_record", file.stem, bytes.fromhex(file.read_text()))
    for file in sorted((TESTS / "storage/golden").glob("*.hex")):
        key, value = map(bytes.fromhex, file.read_text().split())
        table = TABLES.index(file.stem if file.stem in TABLES else file.stem.split("_")[0])
        write(out / "stored_record", file.stem, bytes([table, len(key)]) + key + value[CHECKSUM_BYTES:])


main(Path(sys.argv[1]))
