"""How a record looks: one JSON object per line, or text for the eyes of a person."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson

from paifang.core.logs.redaction import STANDARD
from paifang.core.logs.request_id import request_id_var

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as ``extra=``."""
    return {
        name: value
        for name, value in record.__dict__.items()
        if name not in STANDARD and not name.startswith("_")
    }


class JsonFormatter(logging.Formatter):
    """``time`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, ``request_id`` (null outside
    of a request), ``process``, then the extra fields, then ``exception`` and ``stack`` if any.

    An extra field that bears one of these names appears as ``extra_<name>``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id_var.get() or None,
            "process": record.process,
        }
        taken = {*line, "exception", "stack"}
        for name, value in extras(record).items():
            line[f"extra_{name}" if name in taken else name] = value
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        try:
            return orjson.dumps(line, default=str).decode()
        except (TypeError, ValueError):  # half a surrogate pair, for one
            return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """``12:30:01.123 INFO    paifang.cli  message  key=value  [request id]``, local time.

    Control characters are escaped and further lines indented, so that nobody can forge a line
    or steer the terminal through what they send us.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line and, indented below it, the stack."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        parts = [
            f"{moment:%H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}",
            record.getMessage(),
        ]
        fields = " ".join(f"{name}={value}" for name, value in extras(record).items())
        if fields:
            parts.append(fields)
        if request_id := request_id_var.get():
            parts.append(f"[{request_id}]")
        below = [text for text in (record.exc_text, record.stack_info) if text]
        text = "\n".join(["  ".join(parts), *below])
        return _CONTROL.sub(_escape, text.replace("\r\n", "\n")).replace("\n", "\n    ")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
