"""Setting logging up, once per process."""

import logging
import sys
from typing import TextIO

from paifang.core.logs.files import QuietErrors, SharedFileHandler
from paifang.core.logs.formats import JsonFormatter, TextFormatter
from paifang.core.logs.redaction import RedactionFilter
from paifang.core.settings import LogSettings, SettingsError

_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "gunicorn.error", "dbos")
_TALKATIVE = ("httpx", "httpcore", "aiosqlite", "asyncio", "alembic.runtime.plugins")
_OFF = ("uvicorn.access", "gunicorn.access")
_NAME = "paifang"


class _StreamHandler(QuietErrors, logging.StreamHandler[TextIO]):
    """Standard output; see :class:`QuietErrors`."""


def configure(settings: LogSettings, *, env: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process through our formats and redaction.

    Calling it again replaces what an earlier call set up; handlers of others stay. Start uvicorn
    with ``log_config=None``, else it takes its loggers back.

    Args:
        settings: What to write, how and where.
        env: The environment; in production, Python's warnings are logged, too.
        stream: Instead of standard output.

    Raises:
        SettingsError: the log folder can't be made or written.
    """
    stream = stream or sys.stdout
    as_text = settings.format == "text" or (settings.format == "auto" and stream.isatty())
    level = logging.getLevelNamesMapping()[settings.level]

    handlers: list[logging.Handler] = [_StreamHandler(stream)]
    handlers[0].setFormatter(TextFormatter() if as_text else JsonFormatter())
    handlers += _files(settings)

    root = logging.getLogger()
    for old in [h for h in root.handlers if h.get_name() == _NAME]:
        root.removeHandler(old)
        old.close()
    redaction = RedactionFilter()
    for handler in handlers:
        handler.set_name(_NAME)
        handler.addFilter(redaction)
        root.addHandler(handler)

    # DEBUG is for our own lines; that of the libraries would bury them.
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("paifang").setLevel(level)
    _tame_libraries(level)
    logging.captureWarnings(env == "production")


def _files(settings: LogSettings) -> list[logging.Handler]:
    if settings.dir is None:
        return []
    files: list[logging.Handler] = []
    try:
        settings.dir.mkdir(parents=True, exist_ok=True)
        for name, level in (("paifang.log", logging.INFO), ("paifang-error.log", logging.ERROR)):
            handler = SharedFileHandler(
                settings.dir / name, max_bytes=settings.max_bytes, max_days=settings.max_days
            )
            handler.setLevel(level)
            handler.setFormatter(JsonFormatter())
            files.append(handler)
    except OSError as error:
        for opened in files:
            opened.close()
        raise SettingsError(
            f"PAIFANG_LOG_DIR: logs can't be written to {settings.dir} ({error.strerror}); "
            "name a folder this user may write to"
        ) from error
    return files


def _tame_libraries(level: int) -> None:
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    # DBOS adds a handler of its own, and stops propagating, only where it finds none.
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _OFF:
        # No handler and no way up: uvicorn asks hasHandlers() and skips the work.
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = False
