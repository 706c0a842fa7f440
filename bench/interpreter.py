"""Which of the Pythons on the PATH runs Python fastest: prints its path, and the rest on stderr.

One built without profile-guided optimisation, as pyenv does unless it is told otherwise, takes
about a third longer for everything than the same version of a distribution. Everybody who is
measured and written in Python runs on the one that is chosen here. With an argument, only that
one is looked at.
"""

import os
import subprocess
import sys
from pathlib import Path

ROUNDS = 5
MARGIN = 0.9
"""An interpreter is taken in place of the first on the PATH if it needs less than this share."""

CHECK = """
import ensurepip, os, sqlite3, ssl, sys, venv
assert (3, 11) <= sys.version_info < (3, 15)
print(os.path.realpath(sys.executable))
"""

WORK = """
import time

class Account:
    def __init__(self):
        self.spent, self.names = 0, {}
    def add(self, number, name):
        self.names[name] = number
        return self.spent + number, name, number

def work():
    account, lines = Account(), []
    for number in range(60_000):
        total, name, same = account.add(number, "model")
        if total < 10:
            account.spent += same
        lines = [total, name]
        lines.append(b"%b: %d" % (b"x-limit", total))
    return lines

began = time.perf_counter()
work()
print(time.perf_counter() - began)
"""


def candidates(path: str) -> list[str]:
    """Usable interpreters, in the order of the path, each once."""
    names = ["python3", *(f"python3.{minor}" for minor in range(14, 10, -1))]
    found: list[str] = []
    for folder in path.split(os.pathsep):
        for name in names:
            program = Path(folder) / name
            if not folder or not program.exists():
                continue
            said = run(str(program), CHECK)
            if said and said not in found:
                found.append(said)
    return found


def run(program: str, code: str) -> str:
    """What it prints; empty when it fails."""
    try:
        done = subprocess.run(
            [program, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def main(arguments: list[str]) -> int:
    """Choose."""
    found = [said for program in arguments if (said := run(program, CHECK))]
    found = found if arguments else candidates(os.environ.get("PATH", os.defpath))
    if not found:
        print("there is no Python 3.11 or newer that can make a venv", file=sys.stderr)
        return 1
    least = dict.fromkeys(found, float("inf"))
    for _ in range(ROUNDS if len(found) > 1 else 0):
        for program in found:
            least[program] = min(least[program], float(run(program, WORK) or "inf"))
    best = min(found, key=lambda program: least[program])
    if least[best] > MARGIN * least[found[0]]:
        best = found[0]
    for program in found if len(found) > 1 else ():
        taken = ", taken" if program == best else ""
        print(f"{program}: {least[program] * 1000:.0f} ms{taken}", file=sys.stderr)
    print(best)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
