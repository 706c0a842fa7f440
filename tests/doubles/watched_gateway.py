"""The command line people type, with a window: what the event loop runs, told to whoever asks.

``python -m doubles.watched_gateway WINDOW up`` is ``paifang up``; whoever connects to the Unix
socket ``WINDOW`` gets the names of the tasks on the event loop as JSON. A thread answers, so
nothing of what is tested is changed.
"""

import asyncio
import json
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from paifang.cli import main


def _tasks() -> tuple[int | None, dict[str, int]]:
    """The thread of the running loop, and its tasks by the name of what they run."""
    names = (task.get_coro() for task in asyncio.all_tasks())
    counts = Counter(getattr(coro, "__qualname__", repr(coro)) for coro in names)
    return threading.get_ident(), dict(counts)


def _tell(asker: "Future[tuple[int | None, dict[str, int]]]") -> None:
    asker.set_result(_tasks())


def _loops() -> set[asyncio.AbstractEventLoop]:
    """Every loop with something to do; the engine of the jobs has one of its own."""
    known: Any = asyncio.tasks._all_tasks  # type: ignore[attr-defined]  # no public list of loops
    return {task.get_loop() for task in list(known) if not task.done()}


def _look() -> dict[str, int]:
    """The tasks of the loop in the main thread."""
    for loop in _loops():
        found: Future[tuple[int | None, dict[str, int]]] = Future()
        loop.call_soon_threadsafe(_tell, found)
        thread, tasks = found.result(10)
        if thread == threading.main_thread().ident:
            return tasks
    return {}


def _answer(window: socket.socket) -> None:
    while True:
        asker, _ = window.accept()
        with asker:
            asker.sendall(json.dumps(_look()).encode())


if __name__ == "__main__":
    path = Path(sys.argv.pop(1))
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    threading.Thread(target=_answer, args=(listening,), daemon=True).start()
    main()
