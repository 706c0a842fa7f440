"""``make screenshots``: pictures of the main pages, by day and by night, wide and on a phone.

A site of its own is started, filled by :mod:`scripts.seed` and looked at with the machine's
Chromium; the pictures go into ``docs/images``. Chinese pages need a font that has the characters.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from scripts.seed import PASSWORD, Seed
from scripts.services import programs

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
UP = "Paifang is up at "
QUALITY = 80
MOST_BYTES = 1_500_000
WIDE = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
PAGES = {
    "sign-in": "/sign-in",
    "home": "/",
    "tokens": "/tokens",
    "usage": "/usage?metric=calls&by=model",
    "team": "/teams/{team}",
    "overview": "/console/gateway/overview",
    "logs": "/console/gateway/logs",
    "models": "/console/gateway/models",
    "people": "/console/accounts/users",
    "roles": "/console/access/roles",
}
WIDE_ALONE = ("people", "roles")
IN_CHINESE = ("tokens", "overview")
"""For the README in Chinese."""


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as folder, _site(Path(folder)) as (url, home):
        key = (home / "admin.key").read_text().strip()
        with Seed(url, home, key) as seed:
            made = seed.all()
        IMAGES.mkdir(exist_ok=True)
        for old in IMAGES.glob("*.webp"):
            old.unlink()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=programs.chromium().url, args=["--no-sandbox", "--disable-gpu"]
            )
            for theme in ("light", "dark"):
                for shape in ("wide", "phone"):
                    _visit(browser, url, made, theme=theme, shape=shape, language="en")
                _visit(browser, url, made, theme=theme, shape="wide", language="zh-TW")
            browser.close()
    total = sum(path.stat().st_size for path in IMAGES.glob("*.webp"))
    print(f"{len(list(IMAGES.glob('*.webp')))} pictures, {total / 1000:.0f} kB")
    if total > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES / 1000:.0f} kB")


@contextmanager
def _site(folder: Path) -> Iterator[tuple[str, Path]]:
    """``paifang up`` in a folder that is gone afterwards; its address and home."""
    home = folder / "home"
    settings = {
        "PAIFANG_ENV": "test",
        "PAIFANG_HOME": str(home),
        "PAIFANG_PORT": "0",
        "PAIFANG_GATEWAY_WELCOME": "false",
        "PAIFANG_ACCOUNTS_CHALLENGE_NUMBER": "0",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAIFANG_")}
    told = folder / "stdout"
    with told.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "paifang", "up"], env=kept | settings, cwd=ROOT, stdout=out
        )
    try:
        yield _address(told, process), home
    finally:
        process.terminate()
        process.wait(30)


def _address(told: Path, process: "subprocess.Popen[bytes]") -> str:
    """What it has printed, once it listens."""
    while process.poll() is None:
        for line in told.read_text().splitlines():
            if line.startswith(UP):
                return line.removeprefix(UP).strip()
        time.sleep(0.1)
    raise SystemExit(f"the site did not start:\n{told.read_text()}")


def _visit(
    browser: Browser, url: str, made: dict[str, str], *, theme: str, shape: str, language: str
) -> None:
    """Every page, as one reader sees it."""
    context = browser.new_context(
        viewport=WIDE if shape == "wide" else PHONE,
        device_scale_factor=1 if shape == "wide" else 2,
        is_mobile=shape == "phone",
        has_touch=shape == "phone",
        color_scheme="light" if theme == "light" else "dark",
        locale=language,
        reduced_motion="reduce",
        timezone_id="Asia/Taipei",
    )
    page = context.new_page()
    wanted = PAGES if language == "en" else {name: PAGES[name] for name in IN_CHINESE}
    if shape == "phone":
        wanted = {name: path for name, path in wanted.items() if name not in WIDE_ALONE}
    suffix = "" if language == "en" else f"-{language}"
    who = ""
    for name, path in wanted.items():
        wanted_by = "" if name == "sign-in" else "member"
        if path.startswith("/console"):
            wanted_by = "administrator"
        if who != wanted_by:
            context.clear_cookies()
            _sign_in(page, url, made[wanted_by])
            who = wanted_by
        page.goto(url + path.format(team=made["team"]))
        page.wait_for_load_state("networkidle")
        page.evaluate("document.fonts.ready")
        _keep(page.screenshot(), f"{name}-{shape}-{theme}{suffix}")
    context.close()


def _sign_in(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/sign-in")
    form = page.locator("main form")
    form.locator("input[type=email]").fill(email)
    form.locator("input[type=password]").fill(PASSWORD)
    form.locator("button[type=submit]").click()
    page.wait_for_url(f"{url}/")


def _keep(png: bytes, name: str) -> None:
    Image.open(io.BytesIO(png)).convert("RGB").save(
        IMAGES / f"{name}.webp", quality=QUALITY, method=6
    )


if __name__ == "__main__":
    main()
