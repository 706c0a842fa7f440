"""Many calls on one connection: nothing of one may be left for the next, and news counts at once.

The server recognizes a head that comes again; whatever these tests change must therefore be seen
on a connection that has just served its like.
"""

import asyncio
import itertools
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from counts import count
from doubles.hostile_upstream import (
    DONE,
    FINISH,
    STREAM_HEAD,
    USAGE,
    HostileUpstream,
    again,
    chunk,
    event,
)
from doubles.raw_client import Answer, Closed, RawClient, chat, chunked, connected, request
from modules.gateway.fire.bed import PATH, Bed
from modules.gateway.fire.wire import PATHS, call, echoing, recorded, refusal, still_good
from paifang.modules.gateway.relay import credential

CHUNKED = "transfer-encoding: chunked"


async def said(client: RawClient, bed: Bed, data: bytes, status: int = 200) -> Answer:
    """The answer to a call that leaves a record, unless its key is not accepted."""
    await client.send(data)
    bed.records_due += status != 401
    found = await client.answer()
    assert found.status == status, found
    return found


# --- whose call it is ---


@pytest.mark.parametrize("path", PATHS)
async def test_two_keys_in_turn_are_two_callers(bed: Bed, path: str) -> None:
    other = await bed.token(models=["other"])
    bed.keys.remove(other)  # it may not call what the bed would
    async with echoing() as upstream:
        await bed.channel(upstream.url, models=["chat", "other"])
        numbers: dict[str, list[str]] = {bed.key: [], other: []}
        async with connected(bed.gateway.port) as client:
            for _ in range(4):
                for key, mine, foreign in ((bed.key, "chat", ""), (other, "other", "chat")):
                    data = request(chat(mine), key=key, path=path)
                    found = await said(client, bed, data)
                    numbers[key].append(found.headers["x-request-id"])
                    if foreign:
                        data = request(chat(foreign), key=key, path=path)
                        found = await said(client, bed, data, 404)
                        refusal(found, 404, "model_not_found")
                        numbers[key].append(found.headers["x-request-id"])
                data = call("pf_live_nobody", path=path)
                refusal(await said(client, bed, data, 401), 401, "invalid_api_key")
        rows = await bed.rows()
        owners = dict(zip((bed.key, other), bed.token_ids, strict=True))
        for key, mine in numbers.items():
            found_ids = [row["request_id"] for row in rows if row["token_id"] == owners[key]]
            assert found_ids == mine


@pytest.mark.parametrize("path", PATHS)
async def test_each_call_is_held_against_its_own_limits(bed: Bed, path: str) -> None:
    few = await bed.token(rpm=2)
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for left in (1, 0):
                found = await said(client, bed, call(few, path=path))
                assert found.headers["x-ratelimit-remaining-requests"] == str(left)
                found = await said(client, bed, call(bed.key, path=path))
                assert "x-ratelimit-limit-requests" not in found.headers
            found = await said(client, bed, call(few, path=path), 429)
            refusal(found, 429, "rate_limit_exceeded")
            assert int(found.headers["retry-after"]) > 0
            assert (await said(client, bed, call(bed.key, path=path))).text == "one two three"
    bed.keys.remove(few)  # it has no call left for the bed


@pytest.mark.parametrize("path", PATHS)
async def test_of_two_keys_in_one_head_the_last_one_counts(bed: Bed, path: str) -> None:
    """One of them must, always the same, and it is the record's."""
    other = await bed.token()
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for first, second, status in (
                (bed.key, other, 200),
                (other, bed.key, 200),
                (bed.key, "pf_live_nobody", 401),
                ("pf_live_nobody", bed.key, 200),
                (bed.key, "", 200),
            ):
                line = f"authorization: Bearer {first}"
                data = request(chat(), line, f"Authorization: Bearer {second}", path=path)
                await said(client, bed, data, status)
        rows = await bed.rows()
        mine, others = bed.token_ids
        assert [row["token_id"] for row in rows] == [others, mine, mine, mine]


async def test_every_call_has_a_number_of_its_own_and_it_is_the_records(bed: Bed) -> None:
    bed.key = await bed.token(quota="1000")
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            numbers = [
                (await said(client, bed, call(bed.key))).headers["x-request-id"]
                for _ in range(count(100, 2000))
            ]
        assert [row["request_id"] for row in await bed.rows()] == numbers
        assert len(set(numbers)) == len(numbers)


# --- heads that are alike ---


@pytest.mark.parametrize("path", PATHS)
async def test_the_same_head_may_have_another_length(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for size in (1, 10, 3, 900, 9000, 2, 100_000, 1):
                text = "x" * size
                assert (await said(client, bed, call(bed.key, text, path=path))).text == text
            body = chat(content="padded")
            for length in (f"0{len(body)}", f"000000{len(body)}", f"{len(body):012}",
                           f"{len(body):020}"):  # fmt: skip
                data = request(body, key=bed.key, path=path, length=(length,))
                await client.send(data)
                found = await client.answer()
                assert found.status == 200, length
                assert found.text == "padded"
                bed.records_due += 1
            await still_good(client, bed)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_length_that_was_refused_is_not_held_against_the_next(
    bed: Bed, path: str, known: bool
) -> None:
    """Not even when the head is looked at anew, because something has changed meanwhile."""
    size = 32 * 1024 * 1024 + 1
    key = await bed.token()
    address = f"/tokens/{bed.token_ids[-1]}"
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        if not known:
            assert (await bed.admin.patch(address, json={"status": "disabled"})).is_success
        async with connected(bed.gateway.port) as client:
            data = call(key, path=path)
            large = data[: data.index(b"\r\n\r\n") + 4].replace(
                b"content-length: %d" % len(chat()), b"content-length: %d" % size
            )
            await said(client, bed, large, 413 if known else 401)
            for _ in range(32):
                await client.send(b" " * (1024 * 1024))
            await client.send(b" ")
            changed = {"status": "enabled", "rpm": 1000}
            assert (await bed.admin.patch(address, json=changed)).is_success
            for _ in range(2):
                assert (await said(client, bed, data)).text == "one two three"


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_refused_of_a_new_connection_is_refused_of_an_old_one(
    bed: Bed, path: str
) -> None:
    """The head before was good, and this one is like it."""
    body = chat()
    good = call(bed.key, path=path)
    length = f"content-length: {len(body)}".encode()
    assert length in good
    wrong = [
        good.replace(length, length + b"\r\n" + length),
        good.replace(length, b"content-length: +%d" % len(body)),
        good.replace(length, b"content-length: -%d" % len(body)),
        good.replace(length, b"content-length: %d " % len(body) + b"1"),
        good.replace(length, length + b", %d" % len(body)),
        good.replace(length, b"content-length : %d" % len(body)),
        good.replace(length, length + b"\r\ntransfer-encoding: chunked"),
        good.replace(length, b"transfer-encoding: chunked\r\n" + length),
        good.replace(length + b"\r\n", length + b"\n"),
        good.replace(b"HTTP/1.1", b"HTTP/1.2"),
        good.replace(b"POST", b"post"),
        good.replace(b"host:", b"host :"),
        good.replace(b"Bearer ", b"Bearer \0"),
        good.replace(length, b"content-length: \xb2"),
    ]
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for data in wrong:
            async with connected(bed.gateway.port) as client:
                await still_good(client, bed)
                await said(client, bed, good)
                await client.send(data)
                found = await client.answer()
                assert (found.status, found.closes) == (400, True), data
                assert await client.closed() == b""


@pytest.mark.parametrize("path", PATHS)
async def test_a_head_that_differs_in_one_byte_is_read_anew(bed: Bed, path: str) -> None:
    """Whatever a new connection makes of it, an old one makes of it too."""
    chance = random.Random(3)
    good = call(bed.key, "hello", "user-agent: tests", path=path)
    end = good.index(b"\r\n\r\n") + 4
    places = chance.sample(range(end), count(60, end))
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for at in places:
            byte = chance.choice([b"\0", b" ", b"\r", b"\n", b"x", b"7", b":", b"\xe9"])
            data = good[:at] + byte + good[at + 1 :]
            if data == good:
                continue
            async with connected(bed.gateway.port) as client:
                for _ in range(2):  # recognized by now, if ever
                    await said(client, bed, good)
                kept = await _outcome(client, data)
            async with connected(bed.gateway.port) as client:
                fresh = await _outcome(client, data)
            assert kept == fresh, data
    # How many of them were calls is the server's to say.
    rows = await recorded(bed)
    assert len(rows) >= bed.records_due
    bed.records_due = len(rows)


async def _outcome(client: RawClient, data: bytes) -> tuple[object, ...]:
    """What comes of a request that may lack a part: it is followed by the client's farewell."""
    await client.send(data)
    try:
        async with asyncio.timeout(0.15):
            found = await client.answer()
    except TimeoutError:
        return ("waits",)
    except Closed:
        return ("closed",)
    if found.status == 200:
        return (200, found.text, found.closes)
    return (found.status, found.code, found.closes)


async def test_header_names_may_be_written_in_any_case(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            good = call(bed.key, "case", path=path)
            first, names, rest = good.partition(b"host")
            head, _, body = (names + rest).partition(b"\r\n\r\n")
            lines = [line.partition(b":") for line in head.split(b"\r\n")]
            async with connected(bed.gateway.port) as client:
                for way in (bytes.lower, bytes.upper, bytes.title, bytes.swapcase, bytes.lower):
                    wild = [way(name) + colon + value for name, colon, value in lines]
                    data = first + b"\r\n".join(wild) + b"\r\n\r\n" + body
                    assert (await said(client, bed, data)).text == "case"


async def test_every_kind_of_call_may_follow_every_other(bed: Bed) -> None:
    """JSON, streams, chunks, lists, refusals, all pairs of them on one connection."""
    stream = [STREAM_HEAD, chunk(event("fine words")), chunk(FINISH + USAGE + DONE),
              b"0\r\n\r\n", again]  # fmt: skip
    bed.key = await bed.token(quota="1000")
    kinds: list[tuple[bytes, str, int, str]] = []
    for path in PATHS:
        kinds += [
            (call(bed.key, "json", path=path), "POST", 200, "json"),
            (request(chat("streams", stream=True), key=bed.key, path=path), "POST", 200,
             "fine words"),
            (request(None, CHUNKED, key=bed.key, path=path) + chunked(chat(content="chunked")),
             "POST", 200, "chunked"),
            (request(b"[]", key=bed.key, path=path), "POST", 400, ""),
            (call("pf_live_nobody", path=path), "POST", 401, ""),
        ]  # fmt: skip
    kinds += [
        (request(None, key=bed.key, method="GET", path="/v1/models"), "GET", 200, ""),
        (request(None, method="GET", path="/livez"), "GET", 200, ""),
        (request(None, key=bed.key, method="HEAD", path="/v1/models"), "HEAD", 405, ""),
        (call(bed.key, path="/v1/nothing"), "POST", 404, ""),
    ]
    async with echoing() as upstream, HostileUpstream(stream) as streams:
        await bed.channel(upstream.url)
        await bed.channel(streams.url, models=["streams"])
        async with connected(bed.gateway.port) as client:
            for pair in itertools.product(kinds, kinds):
                for data, method, status, text in pair:
                    await client.send(data)
                    bed.records_due += method == "POST" and status in {200, 400}
                    found = await client.answer(method)
                    assert found.status == status, data
                    if text:
                        assert found.text == text


# --- where it comes from ---


@pytest.mark.parametrize("path", PATHS)
async def test_an_address_told_by_a_trusted_proxy_counts_for_its_own_call(
    bed: Bed, path: str
) -> None:
    far = await bed.token(networks=["203.0.113.0/24"])
    bed.keys.remove(far)  # the bed calls from here
    told: list[tuple[tuple[str, ...], str]] = [
        (("203.0.113.7",), "203.0.113.7"),
        (("203.0.113.8",), "203.0.113.8"),
        (("198.51.100.1",), "198.51.100.1"),
        (("198.51.100.1, 203.0.113.9",), "203.0.113.9"),
        (("203.0.113.9, 198.51.100.1",), "198.51.100.1"),
        (("203.0.113.1", "198.51.100.2"), "198.51.100.2"),
        (("198.51.100.2", "203.0.113.2"), "203.0.113.2"),
        (("203.0.113.4, 127.0.0.1",), "203.0.113.4"),
        (("203.0.113.5:4711",), "203.0.113.5"),
        (("unknown",), "127.0.0.1"),
        (("",), "127.0.0.1"),
        ((), "127.0.0.1"),
        (("203.0.113.256",), "127.0.0.1"),
    ]
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for values, believed in told:
                for name in ("x-forwarded-for", "X-Forwarded-For"):
                    lines = [f"{name}: {value}" for value in values]
                    allowed = believed.startswith("203.0.113.")
                    data = call(far, "hello", *lines, path=path)
                    found = await said(client, bed, data, 200 if allowed else 403)
                    if not allowed:
                        refusal(found, 403, "address_not_allowed")
        rows = await bed.rows()
        assert [row["ip"] for row in rows] == [believed for _, believed in told for _ in (1, 2)]


@pytest.mark.parametrize("path", PATHS)
async def test_an_address_told_by_a_stranger_does_not_count(bed: Bed, path: str) -> None:
    far = await bed.token(networks=["203.0.113.0/24"])
    bed.keys.remove(far)
    near = await bed.token(networks=["127.0.0.2"])
    bed.keys.remove(near)
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port, host="127.0.0.2") as client:
            for lines in ([], ["x-forwarded-for: 203.0.113.7"], ["forwarded: for=203.0.113.7"],
                          ["x-real-ip: 203.0.113.7"]):  # fmt: skip
                found = await said(client, bed, call(far, "hello", *lines, path=path), 403)
                refusal(found, 403, "address_not_allowed")
                assert "127.0.0.2" in found.json["error"]["message"]
                await said(client, bed, call(near, "hello", *lines, path=path))
        assert {row["ip"] for row in await bed.rows()} == {"127.0.0.2"}


# --- news ---


@pytest.mark.parametrize("path", PATHS)
async def test_what_changes_about_a_key_counts_for_the_very_next_call(bed: Bed, path: str) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url, models=["chat", "other"])
        key = await bed.token()
        address = f"/tokens/{bed.token_ids[-1]}"

        async def change(**fields: object) -> None:
            assert (await bed.admin.patch(address, json=fields)).is_success

        async with connected(bed.gateway.port) as client:
            data = call(key, path=path)
            await said(client, bed, data)
            await change(models=["other"])
            refusal(await said(client, bed, data, 404), 404, "model_not_found")
            await change(models=None)
            await said(client, bed, data)
            await change(networks=["203.0.113.0/24"])
            refusal(await said(client, bed, data, 403), 403, "address_not_allowed")
            await change(networks=[])
            await said(client, bed, data)
            await change(status="disabled")
            refusal(await said(client, bed, data, 401), 401, "invalid_api_key")
            await change(status="enabled")
            found = await said(client, bed, data)
            assert "x-ratelimit-limit-requests" not in found.headers
            await change(rpm=1000)
            found = await said(client, bed, data)
            assert found.headers["x-ratelimit-limit-requests"] == "1000"
            await change(rpm=None)
            assert "x-ratelimit-limit-requests" not in (await said(client, bed, data)).headers
            name = f"renamed-{bed.token_ids[-1]}"
            await change(name=name)
            await said(client, bed, data)
            await bed.rows()
            await change(quota="0.000001")
            found = await said(client, bed, data, 429)
            assert found.code == "insufficient_quota"
            await change(quota="1")
            await said(client, bed, data)
            assert (await bed.admin.post(f"{address}/revoke")).is_success
            refusal(await said(client, bed, data, 401), 401, "invalid_api_key")
            refusal(await said(client, bed, data, 401), 401, "invalid_api_key")
        names = [row["token_name"] for row in await bed.rows()]
        assert names[-3:] == [name] * 3
        assert name not in names[:-3]
    bed.keys.remove(key)


@pytest.mark.parametrize("path", PATHS)
async def test_what_changes_about_a_group_counts_for_the_very_next_call(
    bed: Bed, path: str
) -> None:
    group = f"g{time.monotonic_ns()}"
    assert (await bed.admin.post("/groups", json={"id": group})).is_success
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        key = await bed.token(group_id=group)
        bed.keys.remove(key)
        async with connected(bed.gateway.port) as client:
            data = call(key, path=path)
            await said(client, bed, data)
            address = f"/groups/{group}"
            assert (await bed.admin.patch(address, json={"status": "disabled"})).is_success
            await client.send(data)
            refusal(await client.answer(), 403, "group_disabled")
            assert (await bed.admin.patch(address, json={"status": "enabled"})).is_success
            await said(client, bed, data)
            assert (await bed.admin.patch(address, json={"rpm": 1000})).is_success
            found = await said(client, bed, data)
            assert found.headers["x-ratelimit-limit-requests"] == "1000"


@pytest.mark.parametrize("path", PATHS)
async def test_a_channel_that_changes_counts_for_the_very_next_call(bed: Bed, path: str) -> None:
    async with echoing() as first, echoing() as second:
        channel = await bed.channel(first.url)
        async with connected(bed.gateway.port) as client:
            data = call(bed.key, path=path)
            await said(client, bed, data)
            moved = {"base_url": second.url, "credential": "sk-upstream-secret-1"}
            changed = await bed.admin.patch(f"/channels/{channel}", json=moved)
            assert changed.is_success, changed.text
            await said(client, bed, data)
            assert (len(first.requests), len(second.requests)) == (1, 1)
            changed = await bed.admin.patch(
                f"/channels/{channel}", json={"credential": "sk-upstream-secret-2"}
            )
            assert changed.is_success, changed.text
            await said(client, bed, data)
            assert b"Bearer sk-upstream-secret\r\n" in first.requests[0]
            assert b"Bearer sk-upstream-secret-1\r\n" in second.requests[0]
            assert b"Bearer sk-upstream-secret-2\r\n" in second.requests[1]


@pytest.mark.parametrize("path", PATHS)
async def test_a_key_that_expires_meanwhile_is_refused(bed: Bed, path: str) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=1.5)
    key = await bed.token(expires_at=expires.isoformat())
    bed.keys.remove(key)
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            data = call(key, path=path)
            while datetime.now(UTC) < expires - timedelta(seconds=0.2):
                await said(client, bed, data)
                await asyncio.sleep(0.1)
            await asyncio.sleep((expires - datetime.now(UTC)).total_seconds() + 0.05)
            refusal(await said(client, bed, data, 401), 401, "invalid_api_key")


@pytest.mark.parametrize("path", PATHS)
async def test_an_internal_credential_that_expires_meanwhile_is_refused(
    bed: Bed, path: str
) -> None:
    secret = _secret_key(bed.gateway.folder / "home")
    lives = credential.LIFETIME + credential.SKEW
    bearer = credential.make(secret, "fire", "person", "chat", time.time() - lives + 2)
    dies = time.time() + 2
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            data = call(bearer, path=path)
            while time.time() < dies - 1.3:
                await client.send(data)
                assert (await client.answer()).status == 200
                await asyncio.sleep(0.1)
            await asyncio.sleep(dies + 0.2 - time.time())
            await client.send(data)
            refusal(await client.answer(), 401, "invalid_api_key")


def _secret_key(home: Path) -> bytes:
    """As the processes of an installation share it."""
    return (home / "secret.key").read_text().strip().encode()


# --- how long it lasts ---


@pytest.mark.parametrize("path", PATHS)
async def test_the_connection_ends_when_the_client_says_so_and_only_then(
    bed: Bed, path: str
) -> None:
    stays = ["connection: keep-alive", "Connection: Keep-Alive", "connection: x-other",
             "keep-alive: timeout=1, max=1", "connection:", "connection: closed",
             "x-connection: close"]  # fmt: skip
    ends = ["connection: close", "Connection: Close", "connection: keep-alive, close",
            "connection: close, keep-alive", "connection:close", "connection: x, close , y",
            "connection: keep-alive\r\nconnection: close"]  # fmt: skip
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for line in stays:
                assert not (await said(client, bed, call(bed.key, "on", line, path=path))).closes
            await still_good(client, bed)
        for line in ends:
            for body in (chat(content="last"), chat(content="last", stream=True)):
                async with connected(bed.gateway.port) as client:
                    await said(client, bed, call(bed.key, path=path))
                    data = request(body, line, key=bed.key, path=path)
                    found = await said(client, bed, data)
                    assert found.text == "last"
                    assert found.closes, line
                    assert await client.closed() == b""


async def test_a_connection_lasts_for_many_calls(bed: Bed) -> None:
    bed.key = await bed.token(quota="1000")
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            for number in range(count(500, 20_000)):
                await said(client, bed, call(bed.key, f"{number}", path=PATH))
        assert upstream.connections == 1
