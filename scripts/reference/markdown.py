"""The little Markdown that the pages need."""

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by `python -m scripts.write_docs`: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip() for part in parts)]) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold anything but a line break."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in row)} |" for row in lines)


def cell(text: str) -> str:
    """The text on one line, its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """The text as code."""
    return f"`{text}`"


def prose(docstring: str | None) -> str:
    """A docstring's first paragraph, its code marked the way Markdown does it."""
    paragraph = (docstring or "").strip().split("\n\n")[0]
    marked = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", paragraph.replace("``", "`"))
    return " ".join(marked.split())
