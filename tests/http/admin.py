"""Where operators are listened to: the log says it."""
import re

_LINE = re.compile(r"operators are listened to on (127\.0\.0\.1):([0-9]+)")


def admin_address(daemon):
    match = _LINE.search(daemon.log_file.read_text())
    assert match, daemon.log_tail()
    return match[1], int(match[2])
