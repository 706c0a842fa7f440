"""One's own account: the profile, the picture, taking one's data along, leaving."""

import io
import zlib
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from PIL import Image
from sqlalchemy import update

from modules.accounts.people import People, code, sign_in
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.pictures import storage_of
from paifang.modules.accounts.sessions.models import Session

Browser = Callable[..., httpx.AsyncClient]
ONE_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
async def ann(people: People, browser: Browser) -> httpx.AsyncClient:
    """Her browser."""
    await people.make()
    client = browser()
    assert (await sign_in(client)).status_code == 200
    return client


def picture(kind: str = "PNG", size: tuple[int, int] = (600, 300), **more: object) -> bytes:
    """A picture with a red left half and a green right one."""
    made = Image.new("RGB", size, (200, 30, 30))
    made.paste((30, 160, 30), (size[0] // 2, 0, *size))
    out = io.BytesIO()
    made.save(out, kind, **more)
    return out.getvalue()


async def put(client: httpx.AsyncClient, data: bytes, kind: str = "image/png") -> httpx.Response:
    return await client.put("/account/avatar", content=data, headers={"content-type": kind})


async def stored(runtime: Runtime) -> list[str]:
    return [file.key async for file in storage_of(runtime).files("avatars")]


async def test_what_is_sent_of_the_profile_changes_and_nothing_else(
    ann: httpx.AsyncClient,
) -> None:
    before = (await ann.get("/account")).json()
    assert (before["has_password"], before["factors"]) == (True, [])
    changes = {"display_name": " Ann  Ōe ", "phone": "+886 2 2345-6789", "locale": "zh-TW"}
    after = (await ann.patch("/account", json=changes)).json()
    assert after == {
        **before,
        "display_name": "Ann Ōe",
        "phone": "+886 2 2345-6789",
        "locale": "zh-TW",
    }
    assert (await ann.patch("/account", json={"phone": None})).json()["phone"] is None
    for wrong in (
        {"email": "x@example.org"},
        {"status": "active"},
        {"department_id": None},
        {"display_name": None},
        {"display_name": "  "},
        {"display_name": "a\u202eb"},
        {"phone": "call me"},
        {"locale": "xx"},
    ):
        assert code(await ann.patch("/account", json=wrong)) == (422, "invalid"), wrong


@ONE_DATABASE
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_becomes_a_square_without_what_the_file_carried(
    ann: httpx.AsyncClient, browser: Browser, runtime: Runtime, kind: str
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x8825] = {1: "N", 2: (25.0, 2.0, 0.0)}
    answer = await put(ann, picture(kind, exif=exif), f"image/{kind.lower()}")
    assert answer.status_code == 200, answer.text
    address = answer.json()["avatar"].removeprefix("/api/v1")
    shown = await browser().get(address)
    assert shown.headers["content-type"] == "image/webp"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]
    assert b"camera" not in shown.content
    with Image.open(io.BytesIO(shown.content)) as found:
        assert (found.format, found.size, dict(found.getexif())) == ("WEBP", (256, 256), {})
        left, right = (
            found.convert("RGB").getpixel((20, 128)),
            found.convert("RGB").getpixel((236, 128)),
        )
    assert left[0] > left[1]
    assert right[1] > right[0]


@ONE_DATABASE
async def test_a_picture_lies_upright_as_its_camera_was_held(
    ann: httpx.AsyncClient, browser: Browser
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    answer = await put(ann, picture("JPEG", exif=exif), "image/jpeg")
    shown = await browser().get(answer.json()["avatar"].removeprefix("/api/v1"))
    with Image.open(io.BytesIO(shown.content)) as found:
        top, bottom = (
            found.convert("RGB").getpixel((128, 20)),
            found.convert("RGB").getpixel((128, 236)),
        )
    assert top[0] > top[1]
    assert bottom[1] > bottom[0]


@ONE_DATABASE
async def test_a_new_picture_takes_the_place_of_the_old_one_and_can_be_taken_away(
    ann: httpx.AsyncClient, runtime: Runtime
) -> None:
    first = (await put(ann, picture())).json()["avatar"]
    second = (await put(ann, picture())).json()["avatar"]
    assert first != second
    [kept] = await stored(runtime)
    assert kept.rpartition("/")[2] in second
    assert (await ann.get(first.removeprefix("/api/v1"))).status_code == 404
    assert (await ann.delete("/account/avatar")).status_code == 204
    assert await stored(runtime) == []
    assert (await ann.get("/account")).json()["avatar"] is None


def _png(width: int, height: int) -> bytes:
    """A small file of a huge picture."""
    data = picture(size=(4, 4))
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[24:29]
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (picture("GIF"), "image/gif"),
        (picture("GIF"), "image/png"),
        (picture("JPEG"), "image/png"),
        (picture()[:200], "image/png"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "image/png"),
        (b"", "image/png"),
        (_png(50_000, 50_000), "image/png"),
        (_png(7_000, 7_000), "image/png"),
        (_png(0, 1), "image/png"),
    ],
)
async def test_what_is_no_picture_is_refused(
    ann: httpx.AsyncClient, runtime: Runtime, data: bytes, kind: str
) -> None:
    assert code(await put(ann, data, kind)) == (422, "bad_picture")
    assert await stored(runtime) == []


@ONE_DATABASE
@pytest.mark.parametrize("name", ["x.webp", "..%2f..%2fsecret.key", "0190.png", "%00.webp", "a"])
async def test_there_is_no_other_picture(browser: Browser, name: str) -> None:
    answer = await browser().get(f"/avatars/{name}")
    assert answer.status_code in {404, 422}


async def test_one_takes_ones_data_along(ann: httpx.AsyncClient, browser: Browser) -> None:
    await sign_in(browser())
    answer = await ann.get("/account/export")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    found = answer.json()
    assert found["account"]["email"] == "ann@example.org"
    assert len(found["sessions"]) == 2
    assert [entry["action"] for entry in found["trail"]] == ["accounts.session.begin"] * 2
    assert "argon2" not in answer.text
    assert "password_hash" not in answer.text


async def test_an_account_is_deleted_by_its_person_at_once_and_for_good(
    ann: httpx.AsyncClient, browser: Browser, people: People, runtime: Runtime
) -> None:
    other = browser()
    await sign_in(other)
    await put(ann, picture())
    async with runtime.db.transaction() as session:
        then = utc_now() - timedelta(minutes=11)
        await session.execute(update(Session).values(authenticated_at=then))
    assert code(await ann.delete("/account")) == (403, "reauthentication_required")
    async with runtime.db.transaction() as session:
        await session.execute(update(Session).values(authenticated_at=utc_now()))
    answer = await ann.delete("/account")
    assert answer.status_code == 204
    assert "__Host-paifang" not in ann.cookies
    assert code(await ann.get("/account")) == (401, "session_ended")
    assert code(await other.post("/auth/refresh")) == (401, "session_ended")
    assert code(await sign_in(browser())) == (401, "wrong_credentials")
    assert await people.get("ann@example.org") is None
    assert await stored(runtime) == []
