"""Where operators are listened to: the log says it, soon after the server is ready."""
import re

from api import eventually

_LINE = re.compile(r"operators are listened to on (127\.0\.0\.1):([0-9]+)")


def admin_address(daemon):
    eventually(lambda: _LINE.search(daemon.log_file.read_text()))
    match = _LINE.search(daemon.log_file.read_text())
    return match[1], int(match[2])
