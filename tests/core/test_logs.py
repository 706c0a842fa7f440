"""Logs: their form, what they never show, and the access line."""

import asyncio
import fcntl
import io
import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn import Config

from paifang.core import logs
from paifang.core.logs import redaction
from paifang.core.logs.files import DAY, SharedFileHandler
from paifang.core.settings import LogSettings, Secret, Section, SettingsError

LOGGER = logging.getLogger("paifang.test")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch):
    """Put back what ``configure`` changes, and forget hidden values."""
    monkeypatch.setattr(redaction, "_hidden", ())
    root, own = logging.getLogger(), logging.getLogger("paifang")
    before = root.level, own.level
    yield
    for handler in [h for h in root.handlers if h.get_name() == "paifang"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    own.setLevel(before[1])
    logging.captureWarnings(False)


def start(stream=None, **values) -> io.StringIO:
    stream = stream or io.StringIO()
    logs.configure(LogSettings(**values), env="test", stream=stream)
    return stream


def lines(text) -> list[dict]:
    if isinstance(text, Path):
        text = text.read_text()
    elif isinstance(text, io.StringIO):
        text = text.getvalue()
    return [json.loads(line) for line in text.splitlines()]


def fail(text: str):
    raise RuntimeError(text)


# Form


def test_a_line_is_one_json_object_with_the_promised_fields():
    out = start()
    LOGGER.info("moved %d of %d\nlines", 3, 4, extra={"group": "g1", "time": "extra"})
    (line,) = lines(out)
    moment = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 5
    assert line == {
        "level": "INFO",
        "logger": "paifang.test",
        "message": "moved 3 of 4\nlines",
        "request_id": None,
        "process": os.getpid(),
        "group": "g1",
        "extra_time": "extra",
    }


def test_an_exception_is_logged_with_its_stack():
    out = start()
    try:
        fail("no luck")
    except RuntimeError:
        LOGGER.exception("failed")
    (line,) = lines(out)
    assert line["message"] == "failed"
    assert line["exception"].startswith("Traceback")
    assert "test_an_exception_is_logged_with_its_stack" in line["exception"]
    assert line["exception"].endswith("RuntimeError: no luck")


def test_auto_is_text_on_a_terminal_and_json_elsewhere():
    out = start(Terminal())
    LOGGER.warning("hello", extra={"n": 1})
    assert "WARNING paifang.test  hello  n=1" in out.getvalue()
    out = start(io.StringIO())
    LOGGER.warning("hello")
    assert lines(out)


def test_text_can_neither_forge_a_line_nor_steer_the_terminal():
    out = start(format="text")
    LOGGER.info("hello %s", "\x1b[2J\r12:00:00 ERROR forged\n12:00:00 ERROR forged")
    first, second = out.getvalue().splitlines()
    assert "\\x1b[2J\\r12:00:00" in first
    assert second.startswith("    12:00")


def test_odd_values_do_not_lose_the_line():
    class Broken:
        def __str__(self):
            raise ValueError("never")

    out = start()
    (ours,) = [h for h in logging.getLogger().handlers if h.get_name() == "paifang"]
    # Straight to our handler: pytest's own can't bear them.
    odd = {"msg": "half a pair \ud800", "huge": 2**70, "broken": Broken(), "at": datetime.max}
    ours.handle(logging.makeLogRecord(odd))
    ours.handle(logging.makeLogRecord({"msg": "two %s %s", "args": ("one",)}))
    ours.handle(logging.makeLogRecord({"msg": "%s", "args": (Broken(),)}))
    first, second, third = lines(out)
    assert first["huge"] == str(2**70)
    assert first["broken"] == "[not printable: ValueError]"
    assert second["message"] == "two %s %s [arguments do not fit: TypeError]"
    assert "arguments do not fit" in third["message"]


def test_debug_shows_our_own_lines_but_not_those_of_libraries():
    out = start(level="DEBUG")
    LOGGER.debug("ours")
    logging.getLogger("some.library").debug("theirs")
    assert [line["message"] for line in lines(out)] == ["ours"]


def test_configuring_again_replaces_our_handlers_and_leaves_others():
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    first = start()
    second = start()
    LOGGER.info("once")
    assert other in logging.getLogger().handlers
    logging.getLogger().removeHandler(other)
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


def test_uvicorn_logs_in_our_form_and_has_no_access_log():
    out = start()
    config = Config("nowhere:app", log_config=None)
    assert config is not None
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    logging.getLogger("uvicorn.access").info("GET /?key=secret")
    (line,) = lines(out)
    assert line["logger"] == "uvicorn.error"
    assert "color_message" not in line
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_a_line_that_cannot_be_written_is_reported_without_its_content(capsys):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("disk full")

    start(Broken())
    LOGGER.info("private %s", "matter")
    LOGGER.info("private %s", "matter")
    err = capsys.readouterr().err
    assert err.count("disk full") == 1
    assert "private" not in err
    assert "matter" not in err


# Redaction

KEY_BODY = st.text("abcdefghijkLMNOPQ0123456789_-", min_size=8, max_size=60)
AROUND = st.text(max_size=30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key pf_live_abcDEF0123_x9Zk2q, bad", "key pf_live_***, bad"),
        ("pf_admin_a-b_c1234567", "pf_admin_***"),
        ("pf_int_abcdefgh", "pf_int_***"),
        ("sk-proj-abc_123456", "sk-***"),
        ("task-12345678 on disk-usage-high", "task-12345678 on disk-usage-high"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: ***"),
        ("{'authorization': 'Basic dXNlcjpw', 'a': 1}", "{'authorization': '***', 'a': 1}"),
        ("(b'Authorization', b'x'), (b'a', b'b')", "(b'Authorization', b'***'), (b'a', b'b')"),
        ('{"x-api-key": "a\\"b", "n": 1}', '{"x-api-key": "***", "n": 1}'),
        ("sent Bearer abcdefgh12345 to", "sent Bearer *** to"),
        ("basic understanding", "basic understanding"),
        ("postgresql://user:p@ss/w0rd@db:5432/x", "postgresql://user:***@db:5432/x"),
        ("redis://:hunter2@h/0", "redis://:***@h/0"),
        ("see http://localhost:8000/a@b or mail", "see http://localhost:8000/a@b or mail"),
        ("password='a b\\'c', user=u", "password='***', user=u"),
        ("GET /x?api_key=abc&n=1", "GET /x?api_key=***&n=1"),
        ("max_tokens: 100, prompt_tokens=5", "max_tokens: 100, prompt_tokens=5"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, shown):
    assert logs.redact(text) == shown
    assert logs.redact(shown) == shown


@given(
    before=AROUND,
    prefix=st.sampled_from(["pf_live_", "pf_int_", "pf_admin_", "sk-"]),
    body=KEY_BODY,
    after=AROUND,
)
def test_no_key_survives_whatever_stands_around_it(before, prefix, body, after):
    shown = logs.redact(f"{before} {prefix}{body} {after}")
    assert prefix + body not in shown
    assert body not in shown.replace(before, "").replace(after, "")


@given(
    before=AROUND,
    user=st.text("abcdef_.%40", max_size=12),
    password=st.text("abcXYZ0123456789!$%^*()_+-=@:/?#.", min_size=4, max_size=40).filter(
        lambda p: not p[0].isdigit()
    ),
)
def test_no_password_in_a_url_survives(before, user, password):
    shown = logs.redact(f"{before} postgresql://{user}:{password}@db.example:5432/paifang")
    assert f"{password}@db" not in shown
    assert ":***@db.example:5432/paifang" in shown


@given(
    name=st.sampled_from(["Authorization", "authorization", "Proxy-Authorization", "X-Api-Key"]),
    value=st.text("abcdefXYZ0189._~+/=-", min_size=6, max_size=40).map(lambda v: "Zz" + v),
    shape=st.sampled_from(
        [
            "{}: Bearer {}",
            "{}: {}",
            "{}={}",
            "{{'{}': '{}'}}",
            '{{"{}":"Bearer {}"}}',
            "(b'{}', b'{}')",
        ]
    ),
)
def test_no_authorization_header_survives(name, value, shape):
    assert value not in logs.redact("headers " + shape.format(name, value))


@settings(max_examples=30)
@given(text=st.text(st.sampled_from(":/@'\"\\ \naksp_-.cookie=Bb,"), max_size=400))
def test_masking_twice_changes_nothing_more(text):
    once = logs.redact(text)
    assert logs.redact(once) == once


@pytest.mark.parametrize(
    "piece",
    ["://a:", "cookie", "authorization: '", "password=\\", "sk-", "Bearer ", "pf_live_", "\\'"],
)
def test_a_hostile_line_is_searched_in_bounded_time(piece):
    started = time.perf_counter()
    logs.redact(piece * 200_000)
    assert time.perf_counter() - started < 5  # backtracking without a bound would take hours


def test_a_huge_message_is_cut_and_a_secret_at_the_edge_is_masked_first():
    text = "x" * (redaction.MAX_TEXT - 10) + " pf_live_" + "s" * 40 + "y" * 100_000
    shown = logs.redact(text)
    assert len(shown) < redaction.MAX_TEXT + 20
    assert shown.endswith("[cut off]")
    assert "ss" not in shown


def test_message_arguments_extras_and_stack_are_all_masked():
    out = start()
    key = "pf_live_" + "k" * 30
    try:
        fail(f"refused {key}")
    except RuntimeError:
        LOGGER.exception(
            "with %s and %r",
            key,
            {"authorization": "Bearer abcdef12"},
            extra={
                "detail": {"list": [key], "password": "hunter2hunter2", key: 1},
                "token": "plain",
                "secret_key": Secret("not-to-be-seen"),
                "raw": key.encode(),
                "prompt_tokens": 12,
            },
            stack_info=True,
        )
    text = out.getvalue()
    for secret in (key, "kkkkkk", "abcdef12", "hunter2", "not-to-be-seen", "plain"):
        assert secret not in text.replace("stack_info", "")
    (line,) = lines(out)
    assert line["exception"].endswith("RuntimeError: refused pf_live_***")
    assert line["prompt_tokens"] == 12
    assert line["token"] == logs.MASK


def test_values_of_settings_are_masked_wherever_they_appear():
    @dataclass(frozen=True)
    class Area(Section):
        url: Secret
        short: Secret

    @dataclass(frozen=True)
    class All(Section):
        key: Secret
        keys: Secret
        area: Area

    area = Area(Secret("redis://user:s3cr%2Ft-pass@cache/0"), Secret("admin"))
    keys = Secret("first-key-abc,second-key-def")
    logs.hide_secrets(All(Secret("a plain-looking-value"), keys, area))
    out = start()
    LOGGER.info("a plain-looking-value; s3cr%2Ft-pass s3cr/t-pass second-key-def; admin at cache")
    assert lines(out)[0]["message"] == "***; *** *** ***; admin at cache"


# Files


def test_files_hold_info_and_errors_apart(tmp_path):
    start(dir=tmp_path / "logs", level="DEBUG")
    LOGGER.debug("debug")
    LOGGER.info("info")
    LOGGER.error("error pf_live_abcdefgh")
    assert [x["message"] for x in lines(tmp_path / "logs/paifang.log")] == [
        "info",
        "error pf_live_***",
    ]
    assert [x["level"] for x in lines(tmp_path / "logs/paifang-error.log")] == ["ERROR"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"PAIFANG_LOG_DIR.*file"):
        start(dir=tmp_path / "file")


def handler_for(path: Path, **values) -> SharedFileHandler:
    values = {"max_bytes": 10_000, "max_days": 3} | values
    return SharedFileHandler(path, **values)


def write(handler: SharedFileHandler, text: str) -> None:
    handler.handle(logging.makeLogRecord({"msg": text}))


def rotated(folder: Path, stem: str = "paifang") -> list[Path]:
    return sorted(folder.glob(f"{stem}.2*.log"))


def test_a_file_of_yesterday_is_rotated_and_an_old_one_deleted(tmp_path):
    path = tmp_path / "paifang.log"
    old = tmp_path / "paifang.20200101T000000.000000Z.log"
    old_error = tmp_path / "paifang-error.20200101T000000.000000Z.log"
    recent = tmp_path / "paifang.20200102T000000.000000Z.log"
    foreign = tmp_path / "paifang.2020.log"
    for file, age in ((path, 1), (old, 4), (old_error, 4), (recent, 2), (foreign, 9)):
        file.write_text("before\n")
        os.utime(file, (time.time() - age * DAY,) * 2)
    path_before = path.stat().st_ino
    handler = handler_for(path)
    write(handler, "today")
    write(handler, "again")
    handler.close()
    assert path.read_text() == "today\nagain\n"
    assert not old.exists()
    assert not old_error.exists()
    assert recent.exists()
    assert foreign.exists()
    (mine,) = [p for p in rotated(tmp_path) if p.stat().st_ino == path_before]
    assert mine.read_text() == "before\n"


def test_only_so_many_rotated_files_are_kept(tmp_path):
    handler = handler_for(tmp_path / "paifang.log", max_bytes=10, max_files=3)
    for n in range(10):
        write(handler, f"line {n:04}")
    handler.close()
    kept = [p.read_text() for p in [*rotated(tmp_path), tmp_path / "paifang.log"]]
    assert kept == [f"line {n:04}\n" for n in (6, 7, 8, 9)]


def test_a_file_moved_or_deleted_by_others_is_made_again(tmp_path):
    path = tmp_path / "paifang.log"
    handler = handler_for(path)
    write(handler, "one")
    path.rename(tmp_path / "moved")
    write(handler, "two")
    handler.close()
    assert path.read_text() == "two\n"


def test_a_process_stopped_while_rotating_holds_nobody_up(tmp_path):
    handler = handler_for(tmp_path / "paifang.log", max_bytes=10)
    with (tmp_path / ".paifang.log.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write(handler, "line one")
        write(handler, "line two")
    assert rotated(tmp_path) == []
    write(handler, "line three")
    handler.close()
    assert (tmp_path / "paifang.log").read_text() == "line three\n"


WRITER = """
import logging, pathlib, sys
from paifang.core.logs.files import SharedFileHandler
folder, name, count = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
handler = SharedFileHandler(folder / "paifang.log", max_bytes=20_000, max_days=1, max_files=10**6)
sys.stdin.readline()
for n in range(count):
    handler.handle(logging.makeLogRecord({"msg": f"<{name} {n} {'x' * (n % 300)}>"}))
handler.close()
"""


async def test_several_processes_rotate_one_file_without_losing_or_tearing_a_line(tmp_path):
    count, names = 3000, ["a", "b", "c", "d"]
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), name, str(count),
            stdin=asyncio.subprocess.PIPE,
        )
        for name in names
    ]  # fmt: skip
    for writer in writers:  # all at once, not each when its interpreter is up
        writer.stdin.write(b"go\n")
        await writer.stdin.drain()
    assert [await asyncio.wait_for(w.wait(), 60) for w in writers] == [0] * len(names)

    files = [*rotated(tmp_path), tmp_path / "paifang.log"]
    assert len(files) > 20
    assert max(file.stat().st_size for file in files) < 400_000  # of a megabyte in all
    seen = [line for file in files for line in file.read_text().splitlines()]
    wanted = [f"<{name} {n} {'x' * (n % 300)}>" for name in names for n in range(count)]
    assert sorted(seen) == sorted(wanted)


# Requests


async def call(app, *, path="/api/v1/things", headers=(), kind="http"):
    """Send one request; the messages it answered with and the scope it saw."""
    sent = []
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": b"key=secret",
        "headers": list(headers),
    }

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    await app(scope, receive, send)
    return sent, scope


async def answer(scope, receive, send):
    LOGGER.info("inside")
    await send({"type": "http.response.start", "status": 204, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


async def test_a_request_gets_an_id_that_is_logged_and_answered():
    out = start()
    sent, scope = await call(logs.RequestIdMiddleware(answer))
    request_id = scope["state"]["request_id"]
    assert len(request_id) == 32
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", request_id.encode())]
    assert lines(out)[0]["request_id"] == request_id
    assert logs.request_id_var.get() == ""


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        (b"abcd-1234.X_y", True),
        (b"a" * 64, True),
        (b"a" * 65, False),
        (b"short", False),
        (b"with space", False),
        (b"newline\n12", False),
        (b"\xffunicode1", False),
    ],
)
async def test_an_incoming_id_is_kept_only_when_it_is_harmless(given_id, kept):
    _sent, scope = await call(
        logs.RequestIdMiddleware(answer), headers=[(b"x-request-id", given_id)]
    )
    assert (scope["state"]["request_id"].encode() == given_id) is kept


async def test_requests_at_the_same_time_keep_their_ids_apart():
    both = asyncio.Barrier(2)
    seen = {}

    async def app(scope, receive, send):
        await both.wait()
        seen[scope["state"]["request_id"]] = await asyncio.to_thread(logs.request_id_var.get)

    middleware = logs.RequestIdMiddleware(app)
    await asyncio.gather(call(middleware), call(middleware))
    assert len(seen) == 2
    assert all(key == value for key, value in seen.items())


async def test_an_app_that_answers_with_an_id_of_its_own_keeps_it():
    async def app(scope, receive, send):
        headers = [(b"X-Request-Id", b"its own")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    sent, _scope = await call(logs.RequestIdMiddleware(app))
    assert sent[0]["headers"] == [(b"X-Request-Id", b"its own")]


async def test_the_message_of_the_app_is_not_changed():
    constant = {"type": "http.response.start", "status": 200, "headers": []}

    async def app(scope, receive, send):
        await send(constant)

    await call(logs.RequestIdMiddleware(app))
    assert constant["headers"] == []


async def test_lifespan_passes_untouched():
    async def app(scope, receive, send):
        assert "state" not in scope

    await logs.RequestIdMiddleware(logs.AccessLogMiddleware(app))({"type": "lifespan"}, None, None)


async def test_a_call_of_the_api_leaves_an_access_line_without_its_query():
    out = start()
    await call(logs.RequestIdMiddleware(logs.AccessLogMiddleware(answer)))
    line = lines(out)[-1]
    assert line["logger"] == "paifang.access"
    assert line["message"] == "GET /api/v1/things 204"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/things", 204)
    assert 0 <= line["duration_ms"] < 5000
    assert line["request_id"]
    assert "secret" not in out.getvalue()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/", "/apix"])
async def test_other_paths_leave_no_access_line(path):
    out = start()
    await call(logs.AccessLogMiddleware(answer), path=path)
    assert [line["logger"] for line in lines(out)] == ["paifang.test"]


async def test_a_call_that_fails_is_logged_as_500_and_one_without_answer_as_null():
    async def fail(scope, receive, send):
        raise RuntimeError("no luck")

    async def leave(scope, receive, send):
        return

    out = start()
    with pytest.raises(RuntimeError):
        await call(logs.AccessLogMiddleware(fail))
    await call(logs.AccessLogMiddleware(leave))
    assert [line["status"] for line in lines(out)] == [500, None]
