"""FastAPI applications for tests, used again by later tests: building 250 routes takes a while."""

import os

from fastapi import FastAPI

from paifang.api import create_api
from paifang.core.runtime import Runtime
from paifang.registry import MODULES

_made: list[FastAPI] = []
_given: list[Runtime] = []
"""Of the test that runs now: the runtime behind each of :data:`_made`, as far as they are used."""
_test = ""


def api_of(runtime: Runtime) -> FastAPI:
    """The application of a runtime, until this test ends. Runtimes of one test have their own."""
    global _test  # noqa: PLW0603  # which test is running is the process's
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    if test != _test:
        _test = test
        _given.clear()
    for app, known in zip(_made, _given, strict=False):
        if known is runtime:
            return app
    if tuple(runtime.modules) != tuple(MODULES):
        raise ValueError("it serves all modules or none")
    if len(_given) == len(_made):
        _made.append(create_api(MODULES))
    app = _made[len(_given)]
    _given.append(runtime)
    app.state.runtime = runtime
    return app
