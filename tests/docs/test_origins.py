"""docs/origins.md: what it says is here is here, and what is later has a module to come."""

import re
import tomllib

from docs.markdown import ROOT, inline

TEXT = (ROOT / "docs" / "origins.md").read_text(encoding="utf-8")


def rows() -> list[tuple[str, str]]:
    """What is asked for, and where it is."""
    found = re.findall(r"^\| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
    return [row for row in found if row[0] not in {"it asks for", "---"}]


def modules() -> set[str]:
    """The modules that the import contracts know, those to come included."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == ["paifang.modules"])
    return {name.strip(" ()") for layer in layers for name in layer.split("|")}


def test_all_five_documents_are_answered() -> None:
    assert len(re.findall(r"^## \d\. ", TEXT, re.MULTILINE)) == 5
    assert len(rows()) > 100


def test_each_row_names_something_that_can_be_looked_at_or_says_that_it_is_later() -> None:
    empty = [
        asked
        for asked, where in rows()
        if not re.search(r"`[^`]+`|\]\(", where) and "later" not in where
    ]
    assert empty == []


def test_what_is_later_names_the_module_that_will_bring_it() -> None:
    wrong = []
    for asked, where in rows():
        for part in re.findall(r"later[^;|]*", where):
            named = [code for code in inline(part) if "/" not in code]
            if "deploy/" not in part and (not named or not set(named) <= modules()):
                wrong.append((asked, part))
    assert wrong == []
