"""The process of one local model: llama.cpp's own HTTP server, on the loopback, behind a key.

``python -m paifang.modules.gateway.local.server --model FILE --alias NAME``. The first line of
standard input is the API key; then the pipe stays open for as long as the server shall live.
When the model is loaded it writes one line of JSON, ``{"port": 12345}``.

One server answers chat completions, completions and embeddings: with pooling switched on,
llama.cpp still generates, at the same speed.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paifang.core.processes.guard import end_with_parent

_NICENESS = 5
"""The gateway beside us, which serves everybody, comes first when cores are short."""
_OOM_SCORE = "500"
"""If memory runs out, the kernel ends a model rather than the gateway (Linux, 0 to 1000)."""


def main(argv: list[str] | None = None) -> int:
    """Serve until standard input ends or SIGTERM comes."""
    options = _parser().parse_args(argv)
    # The interpreter's handler would wait for the model to load; the kernel's default does not.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with os.fdopen(0, "rb", buffering=0, closefd=False) as stdin:
        key = stdin.readline().decode().strip()
    if not key:
        sys.stderr.write("no API key on standard input\n")
        return 2
    end_with_parent()
    _step_back()
    try:
        import xllamacpp  # noqa: PLC0415 - 100 MB of native code, in this process only

        server = xllamacpp.Server(_params(xllamacpp, options, key))
        port = urlsplit(server.listening_address).port
    except Exception as error:  # noqa: BLE001 - native code; the supervisor shows these words
        sys.stderr.write(f"{options.model} can't be served: {error}\n")
        return 1
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m paifang.modules.gateway.local.server")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--threads", type=int, default=0, help="0 takes one per core")
    parser.add_argument("--context", type=int, default=4096, help="model tokens of one call")
    parser.add_argument("--parallel", type=int, default=4, help="calls at the same time")
    parser.add_argument("--batch", type=int, default=1024, help="prompt tokens in one go")
    return parser


def _params(xllamacpp: Any, options: argparse.Namespace, key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {options.alias}
    params.offline = True
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.api_keys = [key]
    threads = options.threads or _cores()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_parallel = options.parallel
    # Each call has a context of its own: in a shared one, two long answers fail each other.
    params.kv_unified = False
    params.n_ctx = options.context * options.parallel
    # An embedded text must fit one physical batch.
    params.n_batch = max(options.batch, 2048)
    params.n_ubatch = options.batch
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # The engine would keep up to 8 GB of old prompts; each slot's own last prompt stays cached.
    params.cache_ram_mib = 0
    params.ui = False
    params.endpoint_slots = False  # it would show prompts
    params.verbosity = 1  # errors; more would log prompts
    return params


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _step_back() -> None:
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


if __name__ == "__main__":
    raise SystemExit(main())
