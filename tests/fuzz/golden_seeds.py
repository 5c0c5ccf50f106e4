#!/usr/bin/python3
"""Writes the golden records of the tests as seeds for fuzzing: hex there, bytes here.

    golden_seeds.py FOLDER     # FOLDER/journal_record/NAME, FOLDER/stored_record/NAME and FOLDER/journal_group/NAME
"""
import struct
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# In the order of the cases of stored_record_fuzz.cc.
TABLES = ["order", "account", "transfer", "refund", "debit", "exception", "exception_key", "idempotency", "house",
          "gateway_work", "attempt", "notify_address", "totals"]
CHECKSUM_BYTES = 8  # the target makes it anew


def write(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


class Segment:
    """What journal_group_fuzz.cc makes a segment from. FuzzedDataProvider takes texts from the front of an input, up to
    a backslash that none follows, and numbers from its end."""

    def __init__(self):
        self.front, self.numbers = b"", []

    def text(self, data):
        self.front += data.replace(b"\\", b"\\\\") + b"\\ "

    def group(self, records, end_mark=False, skip=None, broken=False, keep=False, flip=None):
        """skip: sequence numbers left out; broken: the chain; keep: the next one names the same predecessor; flip: a byte."""
        payload = b"".join(struct.pack("<I", len(record)) + record for record in records)
        self.numbers += [0] + ([0, 1] if end_mark else [1]) + [len(records)] + ([1, skip] if skip else [0])
        self.text(payload)
        self.numbers += [broken, keep] + ([1, flip, 0] if flip else [0])
        return self

    def raw(self, data):
        self.numbers.append(1)
        self.text(data)
        return self

    def bytes(self):
        return self.front + bytes(reversed([int(number) for number in self.numbers]))


def segments(records):
    few, one = records[:3], records[-1:]
    return {
        "one": Segment().group(few),
        "many": Segment().group(few).group(one).group(few).group(one),
        "full": Segment().group(few).group([], end_mark=True),
        "torn": Segment().group(few).raw(b"\0" * 512 + b"left"),
        "gap": Segment().group(few).group(one, skip=1),
        "broken_chain": Segment().group(few).group(one, broken=True),
        "fork": Segment().group(few, keep=True).group(one),
        "flipped": Segment().group(few, flip=200).group(one),
    }


def main(out):
    golden = [bytes.fromhex(file.read_text()) for file in sorted((TESTS / "core/golden").glob("*.hex"))]
    for name, segment in segments(golden).items():
        write(out / "journal_group", name, segment.bytes())
    for file in sorted((TESTS / "core/golden").glob("*.hex")):
        write(out / "journal_record", file.stem, bytes.fromhex(file.read_text()))
    for file in sorted((TESTS / "storage/golden").glob("*.hex")):
        key, value = map(bytes.fromhex, file.read_text().split())
        table = TABLES.index(max((name for name in TABLES if file.stem.startswith(name)), key=len))
        write(out / "stored_record", file.stem, bytes([table, len(key)]) + key + value[CHECKSUM_BYTES:])


main(Path(sys.argv[1]))
