"""Lock files name exact versions and hashes, and no address to fetch them from.

    python -m scripts.check_locks

Where packages come from is the business of the machine that installs them.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

INDEX_OPTION = re.compile(r"^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links|--trusted-host)\b")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==[^\s;]+")


def check_requirements(text: str) -> Iterator[str]:
    """What is wrong in a compiled requirements file."""
    for entry in text.replace("\\\n", " ").splitlines():
        line = entry.strip()
        if INDEX_OPTION.match(line) or re.search(r"\w+://", line):
            yield f"an address: {line[:80]}"
        elif line and not line.startswith("#"):
            if not REQUIREMENT.match(line):
                yield f"not an exact version: {line[:80]}"
            elif "--hash=sha256:" not in line:
                yield f"no hash: {line[:80]}"


def check_npm_lock(text: str) -> Iterator[str]:
    """What is wrong in a package-lock.json."""
    for name, package in json.loads(text).get("packages", {}).items():
        # The root and folders of ours, which others link to, come from nowhere else.
        if "node_modules/" not in name or package.get("link"):
            continue
        if "resolved" in package:
            yield f"an address: {name} has 'resolved'; set omit-lockfile-registry-resolved"
        if "integrity" not in package:
            yield f"no hash: {name}"


def main() -> int:
    """Check every lock file; 1 when one is wrong."""
    broken: list[str] = []
    files = 0
    for file in sorted(ROOT.glob("requirements/*.txt")):
        files += 1
        broken += [f"{file.relative_to(ROOT)}: {what}" for what in check_requirements(_read(file))]
    for file in sorted(ROOT.glob("*/package-lock.json")):
        files += 1
        broken += [f"{file.relative_to(ROOT)}: {what}" for what in check_npm_lock(_read(file))]
    sys.stdout.writelines(f"{line}\n" for line in broken)
    sys.stdout.write(f"lock files: {files} checked, {len(broken)} problems\n")
    return 1 if broken else 0


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
