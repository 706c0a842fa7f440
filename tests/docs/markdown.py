"""The project's documents, and what is marked as code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(path: Path) -> str:
    """A document's path, for messages."""
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, *languages: str) -> Iterator[str]:
    """The fenced blocks in these languages; all of them without any."""
    for _indent, language, block in _FENCE.findall(text):
        if not languages or language in languages:
            yield block


def without_blocks(text: str) -> str:
    """The text between the fenced blocks."""
    return _FENCE.sub("", text)


def inline(text: str) -> list[str]:
    """What is marked as code inside lines."""
    return _INLINE.findall(without_blocks(text))


def shell_lines(text: str) -> Iterator[str]:
    """Commands in blocks of shell: continued lines joined, comments left out."""
    for block in blocks(text, "sh", "bash", "shell", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.strip().removeprefix("$ ")
            if command and not command.startswith("#"):
                yield command
