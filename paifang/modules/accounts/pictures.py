"""Pictures of people: whatever comes in is decoded, cut to a square and encoded anew.

So nothing of the file itself is kept: no place where it was taken, no name, nothing that a browser
could take for something else.
"""

import asyncio
import io
import warnings
from collections.abc import Awaitable, Callable, Iterable

from PIL import Image, ImageOps, UnidentifiedImageError

from paifang.core.errors import Invalid
from paifang.core.runtime import Runtime
from paifang.core.storage import FileMissing, FolderStorage

MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""Of what is uploaded: a small file can unfold to gigabytes."""
SIDE = 256
PREFIX = "avatars"
SUFFIX = ".webp"
MEDIA_TYPE = "image/webp"
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_MAGIC = {
    "PNG": (b"\x89PNG\r\n\x1a\n", 0),
    "JPEG": (b"\xff\xd8\xff", 0),
    "WEBP": (b"WEBP", 8),
}
_LARGEST_RESULT = 1_000_000


class BadPicture(Invalid):
    """It is no PNG, JPEG or WebP, not what it is sent as, or too large to unfold."""

    code = "bad_picture"
    title = "This can't be a picture of you"


def storage_of(runtime: Runtime) -> FolderStorage:
    """Where pictures are kept."""
    found = runtime.parts.get(FolderStorage)
    if found is None:
        found = runtime.parts[FolderStorage] = FolderStorage(runtime.settings.home / "files")
    storage: FolderStorage = found
    return storage


async def store(runtime: Runtime, *, data: bytes, media_type: str) -> str:
    """Keep a picture; the key of what it has become.

    Raises:
        BadPicture: it says why.
    """
    made = await asyncio.to_thread(_square, data, media_type)
    stored = await storage_of(runtime).put(
        made, prefix=PREFIX, max_bytes=_LARGEST_RESULT, suffix=SUFFIX
    )
    return stored.key


def forget_pictures(runtime: Runtime, keys: Iterable[str]) -> Callable[[], Awaitable[None]]:
    """What deletes pictures once a change is committed; a file that stays is garbage, no fault."""
    wanted = list(keys)

    async def forget() -> None:
        for key in wanted:
            await storage_of(runtime).delete(key)

    return forget


async def read(runtime: Runtime, *, name: str) -> bytes:
    """A picture by the last part of its key. Raises ``FileMissing`` and ``BadKey``."""
    if not name.endswith(SUFFIX):
        raise FileMissing
    chunks = [chunk async for chunk in storage_of(runtime).get(f"{PREFIX}/{name}")]
    return b"".join(chunks)


def _square(data: bytes, media_type: str) -> bytes:
    kind = FORMATS.get(media_type.partition(";")[0].strip().lower())
    if kind is None:
        raise BadPicture(f"Send one of {', '.join(FORMATS)}.")
    magic, place = _MAGIC[kind]
    if data[place : place + len(magic)] != magic:
        raise BadPicture(f"This is no {kind}, though it is sent as one.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Pillow warns of, we refuse
            return _encoded(data, kind)
    except BadPicture:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Warning) as error:
        raise BadPicture("The file is damaged.") from error
    except Image.DecompressionBombError as error:
        raise BadPicture("It has too many pixels.") from error


def _encoded(data: bytes, kind: str) -> bytes:
    with Image.open(io.BytesIO(data), formats=[kind]) as found:
        # Read from the head of the file: nothing has been unfolded yet.
        if found.width * found.height > MAX_PIXELS or min(found.size) < 1:
            raise BadPicture(f"It has more than {MAX_PIXELS // 1_000_000} million pixels.")
        found.draft("RGB", (SIDE * 2, SIDE * 2))  # a JPEG is decoded no larger than needed
        upright = ImageOps.exif_transpose(found)
        square = ImageOps.fit(upright.convert("RGBA"), (SIDE, SIDE))
        # A new image: what else the file carried is not in it.
        clean = Image.new("RGBA", square.size)
        clean.paste(square)
        out = io.BytesIO()
        clean.save(out, "WEBP", quality=85, method=4)
        return out.getvalue()
