"""On what was measured."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from process import HERE, PROXY_CPU


def about(rounds: int, seconds: float) -> list[str]:
    """Lines for the results."""
    pinned = (
        "proxy on one core, load generator and upstream double on another"
        if PROXY_CPU is not None
        else "nothing pinned: there is one core, which all share"
    )
    packages = ", ".join(f"{p} {version(p)}" for p in ("uvicorn", "uvloop", "httptools", "orjson"))
    load = os.getloadavg()[0]
    kernel = platform.release().partition("-")[0]
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"- {os.cpu_count()} x {_cpu()}, {platform.system()} {kernel}",
        f"- {platform.python_implementation()} {platform.python_version()}{_builder()}, {packages}",
        f"- {pinned}; load average at the end {load:.1f}",
        f"- rounds: {rounds}, contestants interleaved; {seconds / 60:.1f} minutes",
    ]


def _builder() -> str:
    """A build may be a third slower than another of the same version."""
    return " of the distribution" if sys.base_prefix == "/usr" else ""


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        said = subprocess.run(
            ["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False
        )
        return said.stdout.strip() if said.returncode == 0 else ""

    commit = git("rev-parse", "--short", "HEAD")
    if not commit:
        return "none"
    return commit + (" with changes" if git("status", "--porcelain") else "")
