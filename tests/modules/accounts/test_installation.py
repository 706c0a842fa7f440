"""A whole installation: the link of its first start, cookies over a real server, the commands."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from doubles.installation import Installation, running
from modules.accounts.people import OTHER_PASSWORD, PASSWORD, solved, use

SET_UP = re.compile(r"http://\S+/setup#token=([\w-]+)")
FAST = {
    "PAIFANG_ACCOUNTS_ARGON2_MEMORY_MIB": "12",
    "PAIFANG_ACCOUNTS_ARGON2_PASSES": "3",
    "PAIFANG_ACCOUNTS_CHALLENGE_NUMBER": "50",
    "PAIFANG_GATEWAY_WELCOME": "false",
}


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30, trust_env=False)


def first(token: str) -> dict[str, str]:
    return {
        "token": token,
        "email": "owner@example.org",
        "password": PASSWORD,
        "display_name": "Owner",
    }


async def test_from_the_printed_link_to_an_administrator_who_stays_in(tmp_path: Path) -> None:
    installation = Installation(tmp_path, **FAST)
    async with running(installation) as up, client(up.url) as browser:
        found = SET_UP.search(up.text)
        assert found, up.text
        answer = await browser.post("/auth/setup", json=first(found[1]))
        assert answer.status_code == 200, answer.text
        use(browser, answer)
        cookies = answer.headers.get_list("set-cookie")
        assert [cookie.partition("=")[0] for cookie in cookies] == ["paifang", "paifang-device"]
        for cookie in cookies:
            assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
            assert "Secure" not in cookie, "plain HTTP"
        assert answer.headers["cache-control"] == "no-store"
        assert (await browser.get("/accounts/users")).json()["total"] == 1

        # Fifty tabs that wake up at the same moment.
        token = browser.cookies["paifang"]
        answers = await asyncio.gather(*(_refresh(up.url, token) for _ in range(50)))
        assert [answer.status_code for answer in answers] == [200] * 50
        assert len({answer.cookies["paifang"] for answer in answers}) == 1

        # Who is seen and when is written a moment later, not by the reading itself.
        async with asyncio.timeout(30):
            while True:
                [row] = (await browser.get("/accounts/users")).json()["items"]
                if row["last_seen_at"] is not None:
                    break
                await asyncio.sleep(0.5)

        # A forgotten password: a job writes it into the dev inbox.
        body = {"email": "owner@example.org", "challenge": await solved(browser)}
        assert (await browser.post("/auth/password/forgot", json=body)).status_code == 202
        assert await _mailed(installation.home / "paifang.db", "reset_password")


async def test_people_are_looked_after_from_a_shell(tmp_path: Path) -> None:
    installation = Installation(tmp_path, **FAST)
    async with running(installation) as up, client(up.url) as browser:
        printed = SET_UP.search(up.text)
        assert printed
        use(browser, await browser.post("/auth/setup", json=first(printed[1])))

        status, output = await installation.command("accounts", "setup-link")
        assert (status, "set up already" in output) == (1, True), output
        status, output = await installation.command("accounts", "list")
        assert status == 0
        assert "owner@example.org  Owner         active  administrator" in output

        status, output = await installation.command("accounts", "reset-link", "owner@example.org")
        reset = re.search(r"/reset-password#token=([\w-]+)", output)
        assert reset, output
        body = {"token": reset[1], "password": OTHER_PASSWORD}
        assert (await browser.post("/auth/password/reset", json=body)).status_code == 204
        assert (await browser.get("/account")).status_code == 401

        status, output = await installation.command("accounts", "disable", "owner@example.org")
        assert (status, "somebody else an administrator" in output) == (1, True), output
        status, output = await installation.command("accounts", "disable", "nobody@example.org")
        assert (status, "accounts list" in output) == (1, True), output


async def _refresh(url: str, token: str) -> httpx.Response:
    async with client(url) as tab:
        tab.cookies.set("paifang", token)
        return await tab.post("/auth/refresh")


async def _mailed(path: Path, template: str) -> bool:
    import sqlite3  # noqa: PLC0415  # past everything, as somebody who looks into the file

    async with asyncio.timeout(30):
        while True:
            with sqlite3.connect(path) as database:
                rows = database.execute("select template from mails").fetchall()
            database.close()
            if (template,) in rows:
                return True
            await asyncio.sleep(0.2)


async def test_the_link_is_printed_again_by_the_command_and_only_the_last_one_works(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path, **FAST)
    async with running(installation) as up, client(up.url) as browser:
        printed = SET_UP.search(up.text)
        assert printed
        status, output = await installation.command("accounts", "setup-link")
        again = SET_UP.search(output)
        assert status == 0, output
        assert again
        refused = await browser.post("/auth/setup", json=first(printed[1]))
        assert refused.status_code == 404
        assert (await browser.post("/auth/setup", json=first(again[1]))).status_code == 200


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAIFANG_ACCOUNTS_ARGON2_MEMORY_MIB", "12"),
        ("PAIFANG_ACCOUNTS_ARGON2_PASSES", "1"),
    ],
)
async def test_a_start_refuses_hashes_that_are_too_weak(
    tmp_path: Path, variable: str, value: str
) -> None:
    status, output = await Installation(tmp_path, **{variable: value}).command("up")
    assert status == 1
    assert "argon2id" in output
    assert "MiB" in output
