"""Whatever a document names is there: settings, commands, make targets, endpoints, files, links."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.commands import commands_in, problem
from docs.markdown import ROOT, blocks, documents, inline, name_of, shell_lines, without_blocks
from docs.routes import endpoints, plain
from paifang import __version__
from paifang.core.settings import settings_class, variables
from paifang.registry import settings_areas

TOP = ("paifang/", "scripts/", "tests/", "docs/", "requirements/", "frontend/", "bench/", ".ci/")
NOT_IN_A_CHECKOUT = ("paifang/web/",)
"""Built, so not there before ``make web``."""

pages = pytest.mark.parametrize("page", documents(), ids=name_of)


def settings() -> set[str]:
    return {name for name, _field in variables(settings_class(settings_areas()))}


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the repository's host makes them."""
    text = without_blocks(page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pages
def test_each_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bPAIFANG_[A-Z0-9_]*[A-Z0-9]\b", page.read_text(encoding="utf-8")))
    # What tells the tests which servers to use is no setting.
    named = {n for n in named if not n.startswith("PAIFANG_TEST")}
    assert named <= settings()


@pages
def test_each_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = [words for line in [*shell_lines(text), *inline(text)] for words in commands_in(line)]
    wrong = {" ".join(words): said for words in shown if (said := problem(words))}
    assert wrong == {}


@pages
def test_each_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {
        found[1]
        for line in [*shell_lines(text), *inline(text)]
        if (found := re.match(r"make ([a-z][a-z-]*)", line))
    }
    assert named <= targets()


@pages
def test_each_endpoint_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {
        (found[1], plain(found[2]))
        for code in inline(text)
        if (found := re.fullmatch(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)", code))
    }
    assert named <= endpoints()


@pages
def test_each_file_of_ours_that_is_named_exists(page: Path) -> None:
    missing = [
        code
        for code in inline(page.read_text(encoding="utf-8"))
        if code.startswith(TOP)
        and not code.startswith(NOT_IN_A_CHECKOUT)
        and re.fullmatch(r"[\w./-]+", code)
        and "NNNN" not in code
        and not (ROOT / code).exists()
    ]
    assert missing == []


@pages
def test_each_link_leads_somewhere(page: Path) -> None:
    text = without_blocks(page.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "``", text)):
        if re.match(r"[a-z]+:", link):
            continue
        if link.startswith("/"):  # a page that Paifang serves
            broken += [] if ("GET", plain(link)) in endpoints() else [link]
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / unquote(file)).resolve() if file else page
        if not target.exists() or (anchor and unquote(anchor) not in anchors(target)):
            broken.append(link)
    assert broken == []


@pages
def test_each_block_of_python_compiles(page: Path) -> None:
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "python")):
        compile(block, f"{name_of(page)} block {number}", "exec")


@pages
def test_no_page_raises_its_voice(page: Path) -> None:
    text = re.sub(r"<!--.*?-->|`[^`\n]*`", "", without_blocks(page.read_text(encoding="utf-8")))
    assert [line for line in text.splitlines() if re.search("\\w!|\uff01", line)] == []


def test_the_readme_shows_the_two_commands_and_the_openai_package_in_five_lines() -> None:
    for name in ("README.md", "README.zh-TW.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "make run" in text
        assert "make test" in text
        [program] = blocks(text, "python")
        assert len([line for line in program.splitlines() if line.strip()]) == 5
        assert "from openai import OpenAI" in program


def test_the_two_readmes_link_to_the_same_pages_and_show_the_same_programs() -> None:
    english, chinese = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-TW.md")
    )
    links = [set(re.findall(r"\]\((docs/[^)\s]+)\)", text)) for text in (english, chinese)]
    assert links[0] == links[1]
    assert list(blocks(english, "python")) == list(blocks(chinese, "python"))


def test_the_changelog_has_this_version_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)[0] == __version__


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("paifang serve --only gateway --port 1", ""),
        ("PAIFANG_ENV=production .venv/bin/paifang --home /x backup /y", ""),
        ("printf x | paifang gateway channels add --name a --credential-stdin", ""),
        ("paifang gateway channels add ...", ""),
        ("paifang gateway channels --help", ""),
        ("paifang sreve", "paifang has no command sreve"),
        ("paifang serve --only nothing", "paifang serve --only takes no nothing"),
        ("paifang up --prot 1", "paifang up has no option --prot"),
        ("paifang check now", "paifang check takes no now"),
    ],
)
def test_a_wrong_command_in_a_document_would_be_found(line: str, said: str) -> None:
    [words] = commands_in(line)
    assert problem(words) == said
