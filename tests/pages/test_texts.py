"""What the pages say: each text in three languages, none missing, none left over."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from docs.markdown import ROOT
from paifang.pages.router import BAR, STATIC, assemble

LANGUAGES = {"en", "zh-CN", "zh-TW"}
PAGES = sorted(path.name for path in STATIC.glob("*.html"))
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js") if path.name != "strings.js")
KEY = re.compile(r'"([a-z]+\.[a-z_]+)"')
SLOT = re.compile(r"\{(\w+)\}")
VOID = {"meta", "link", "input", "img", "br", "hr", "path", "circle", "use"}


def load() -> dict[str, dict[str, str]]:
    script = (STATIC / "strings.js").read_text()
    body = script[script.index("export const strings = ") + len("export const strings = ") :]
    texts: dict[str, dict[str, str]] = json.loads(body.strip().removesuffix(";"))
    return texts


TEXTS = load()


class Page(HTMLParser):
    """Reads a page: its translated elements, and the words outside of any."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.loose: list[str] = []
        self.feed(assemble(STATIC / name))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        owner = self._translated()
        if owner and values.get("data-slot"):
            self.texts[owner] += "{" + str(values["data-slot"]) + "}"
        if key := values.get("data-i18n"):
            self.texts[key] = ""
        if key := values.get("data-i18n-label"):
            self.labels[key] = str(values["aria-label"])
        elif "aria-label" in values:
            self.loose.append(str(values["aria-label"]))
        if tag not in VOID:
            self.open.append((tag, values))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if any(values.get("translate") == "no" for _tag, values in self.open):
            return  # names, commands, addresses
        if owner := self._translated():
            self.texts[owner] += data
        elif data.strip():
            self.loose.append(data.strip())

    def _translated(self) -> str | None:
        return next((v["data-i18n"] for _t, v in self.open if v.get("data-i18n")), None)


def used() -> dict[str, set[str]]:
    """Each key that a page or a script uses, and where."""
    places: dict[str, set[str]] = {}
    for path in [BAR, *(STATIC / name for name in [*PAGES, *SCRIPTS])]:
        name = path.name
        for key in KEY.findall(path.read_text()):
            if key.partition(".")[0] in {k.partition(".")[0] for k in TEXTS}:
                places.setdefault(key, set()).add(name)
    return places


def test_every_text_is_there_in_each_language() -> None:
    for key, text in TEXTS.items():
        assert set(text) == LANGUAGES, key
        assert all(value == value.strip() and value for value in text.values()), key


def test_every_key_that_is_used_has_a_text_and_every_text_is_used() -> None:
    assert set(used()) - set(TEXTS) == set()
    assert set(TEXTS) - set(used()) == set()


def test_translations_have_the_same_slots() -> None:
    for key, text in TEXTS.items():
        slots = {language: sorted(SLOT.findall(value)) for language, value in text.items()}
        assert slots["en"] == slots["zh-CN"] == slots["zh-TW"], key


def test_chinese_texts_are_in_chinese_and_in_their_own_script() -> None:
    untranslated = {
        key
        for key, t in TEXTS.items()
        if t["en"] in {t["zh-CN"], t["zh-TW"]} and key != "places.api"
    }
    assert untranslated == set()
    # Common characters that only one of the two scripts has.
    only_simplified, only_traditional = set("个这来网关应请开给说为"), set("個這來網關應請開給說為")
    for key, text in TEXTS.items():
        assert not only_traditional & set(text["zh-CN"]), key
        assert not only_simplified & set(text["zh-TW"]), key


@pytest.mark.parametrize("name", PAGES)
def test_the_english_in_a_page_is_that_of_the_texts(name: str) -> None:
    page = Page(name)
    for key, text in [*page.texts.items(), *page.labels.items()]:
        assert text == TEXTS[key]["en"], key


@pytest.mark.parametrize("name", PAGES)
def test_no_words_of_a_page_are_outside_the_texts(name: str) -> None:
    assert Page(name).loose == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_set_no_words_of_their_own(name: str) -> None:
    script = (STATIC / name).read_text()
    pattern = r"""(?:textContent|innerText|title|placeholder|ariaLabel)\s*=\s*["'`]([^"'`]*)"""
    shown = [text for text in re.findall(pattern, script) if text != "⌘ Enter"]
    assert shown == []
    assert "innerHTML" not in script


FRONTEND = ROOT / "frontend" / "src"
TOKENS = [STATIC / "tokens.css", FRONTEND / "styles" / "tokens.css"]
SHEETS = [
    *sorted(STATIC.glob("*.css")),
    *sorted(FRONTEND.rglob("*.css")),
    *sorted(FRONTEND.rglob("*.vue")),
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def colours() -> dict[str, tuple[str, str]]:
    pattern = r"--pf-([\w-]+): light-dark\((#\w{6}), (#\w{6})\);"
    tokens: list[Any] = [
        found for file in TOKENS for found in re.findall(pattern, file.read_text())
    ]
    return {name: (day, night) for name, day, night in tokens}


@pytest.mark.parametrize("time", [0, 1], ids=["day", "night"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        *((ink, "paper", 4.5) for ink in ("ink", "ink-soft", "ok", "warn", "bad", "accent")),
        *((ink, "sunken", 4.5) for ink in ("ink", "ink-soft")),
        *((ink, "raised", 4.5) for ink in ("ink", "ink-soft", "bad", "ok")),
        *((ink, "hover", 4.5) for ink in ("ink", "ink-soft", "accent", "bad", "ok", "warn")),
        *((f"series-{number}", "paper", 3) for number in range(1, 7)),
        ("on-accent", "accent", 4.5),
        ("on-accent", "accent-deep", 4.5),
        ("on-panel", "panel", 4.5),
        ("on-panel", "panel-deep", 4.5),
        ("edge", "paper", 3),
    ],
)
def test_colours_have_the_contrast_that_people_need(
    ink: str, ground: str, least: float, time: int
) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11."""
    tokens = colours()
    light, dark = sorted((luminance(tokens[ink][time]), luminance(tokens[ground][time])))[::-1]
    assert (light + 0.05) / (dark + 0.05) >= least


@pytest.mark.parametrize("file", SHEETS, ids=lambda file: str(file.relative_to(ROOT)))
def test_colours_and_sizes_are_decided_in_one_place(file: Path) -> None:
    if file in TOKENS:
        return
    text = file.read_text()
    if file.suffix == ".vue":
        text = "".join(re.findall(r"<style[^>]*>(.*?)</style>", text, flags=re.DOTALL))
    sheet = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    literal = re.findall(r"(?<![\w-])#[0-9a-f]{3,8}\b(?=\s*[;,)])|\brgba?\(|\bhsl\(", sheet)
    assert literal == [], "a colour outside of tokens.css"
    sizes = re.findall(r"font-size:\s*([^;]+);", sheet)
    assert [size for size in sizes if not size.startswith(("var(--pf-", "inherit"))] == []
    used_tokens = set(re.findall(r"var\((--pf-[\w-]+)", sheet))
    known = {name for each in TOKENS for name in re.findall(r"(--pf-[\w-]+):", each.read_text())}
    assert used_tokens <= known
