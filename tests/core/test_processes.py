import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core.processes.child import (
    Child,
    ChildError,
    ReadyLine,
    Restart,
    State,
    clean_environment,
    describe_exit,
)
from paifang.core.processes.running import lines
from paifang.core.processes.supervisor import Supervisor

FOREVER = "import time\nwhile True: time.sleep(60)\n"
QUICK = Restart(delay=0.02, max_delay=0.05)
TELL_PID = ReadyLine(lambda line: int(line) if line.isdigit() else None)


def python(name, code, **options):
    argv = (sys.executable, "-c", textwrap.dedent(code))
    return Child(name=name, argv=argv, **{"start_timeout": 20.0, "restart": QUICK} | options)


@pytest.fixture
async def supervisor():
    supervisor = Supervisor()
    yield supervisor
    await supervisor.close()


async def state(supervisor, name, *wanted):
    """The status once the state is one of those wanted."""
    async with asyncio.timeout(20):
        while (status := supervisor.child_status(name)).state not in wanted:
            await supervisor.changed(name)
        return status


def alive(processes):
    """Those that still run; a zombie, which only waits for its parent or init, does not."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


async def test_a_child_is_ready_as_soon_as_it_runs_and_nothing_is_left_of_it_after_stop(supervisor):
    supervisor.add(python("a", FOREVER))
    assert supervisor.child_status("a").state is State.STOPPED
    await supervisor.start("a")
    status = supervisor.child_status("a")
    assert status.state is State.READY
    tree = [psutil.Process(status.pid), *psutil.Process(status.pid).children(recursive=True)]
    await supervisor.stop("a")
    assert alive(tree) == []
    status = supervisor.child_status("a")
    assert (status.state, status.pid, status.error) == (State.STOPPED, None, "")


async def test_a_child_is_ready_when_it_says_so(supervisor, caplog):
    caplog.set_level(logging.INFO)
    code = f"print('warming up', flush=True)\nprint(4711, flush=True)\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID))
    assert supervisor.announced("a") is None
    await supervisor.start("a")
    assert supervisor.announced("a") == 4711
    assert ("paifang.child.a", logging.INFO, "warming up") in caplog.record_tuples
    assert "4711" not in caplog.messages
    await supervisor.stop("a")
    assert supervisor.announced("a") is None


async def test_a_child_is_ready_when_its_url_answers_200(supervisor, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    missing = Child("b", (*argv, "-d", "."), ready=f"http://127.0.0.1:{port}/no", start_timeout=1.0)
    supervisor.add(missing)
    with pytest.raises(ChildError, match="b was not ready after 1 s"):
        await supervisor.start("b")
    supervisor.add(Child("a", (*argv, "-d", str(tmp_path)), ready=f"http://127.0.0.1:{port}/"))
    await supervisor.start("a")
    assert supervisor.child_status("a").state is State.READY


async def test_a_child_is_ready_when_a_function_says_yes(supervisor):
    answers = iter([False, False, True])

    async def ask():
        return next(answers)

    supervisor.add(python("a", FOREVER, ready=ask))
    await supervisor.start("a")
    assert next(answers, "asked to the end") == "asked to the end"


async def test_a_ready_check_that_breaks_fails_the_start(supervisor):
    async def ask():
        raise RuntimeError("oh dear")

    supervisor.add(python("a", FOREVER, ready=ask))
    supervisor.add(
        python("b", f"print(1, flush=True)\n{FOREVER}", ready=ReadyLine(lambda line: 1 / 0))
    )
    with pytest.raises(ChildError, match=r"its ready check broke.*oh dear"):
        await supervisor.start("a")
    with pytest.raises(ChildError, match=r"its ready check broke.*division"):
        await supervisor.start("b")


async def test_a_child_that_ends_before_it_is_ready_says_how_and_is_not_restarted(supervisor):
    code = "import sys\nprint('out')\nprint('no such model', file=sys.stderr)\nsys.exit(3)"
    supervisor.add(python("a", code, ready=TELL_PID))
    with pytest.raises(ChildError) as caught:
        await supervisor.start("a")
    assert caught.value.exit_code == 3
    assert caught.value.tail == ("out", "no such model")
    assert caught.value.message == "a exited with code 3 before it was ready"
    status = supervisor.child_status("a")
    assert (status.state, status.pid, status.restarts) == (State.FAILED, None, 0)
    assert status.error == "a exited with code 3 before it was ready: no such model"


@pytest.mark.parametrize("guard", [True, False])
async def test_a_program_that_does_not_exist_is_named(supervisor, guard):
    child = Child("a", ("/nonexistent/program",), guard=guard, ready=TELL_PID)
    supervisor.add(child)
    with pytest.raises(ChildError, match=r"/nonexistent/program.*No such file"):
        await supervisor.start("a")


async def test_a_child_that_is_never_ready_is_ended(supervisor, tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID, start_timeout=1.5))
    with pytest.raises(ChildError, match=r"a was not ready after 1\.5 s"):
        await supervisor.start("a")
    assert not psutil.pid_exists(int(pid.read_text()))
    assert supervisor.child_status("a").state is State.FAILED


async def test_a_child_that_crashes_is_started_again(supervisor):
    code = f"import os\nprint(os.getpid(), flush=True)\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID))
    await supervisor.start("a")
    first = supervisor.announced("a")
    os.kill(first, signal.SIGKILL)
    status = await state(supervisor, "a", State.BACKING_OFF)
    assert status.retry_at is not None
    assert "SIGKILL" in status.error
    await supervisor.start("a")  # joins the restart that is under way
    assert supervisor.announced("a") not in {None, first}
    assert supervisor.child_status("a").restarts == 1
    assert not psutil.pid_exists(first)


async def test_a_child_that_keeps_failing_is_given_up(supervisor, caplog):
    code = "print(1, flush=True)\nraise SystemExit(7)"
    restart = Restart(delay=0.01, max_delay=0.01, max_failures=3)
    supervisor.add(python("a", code, ready=TELL_PID, restart=restart))
    with contextlib.suppress(ChildError):  # it may end before anybody has seen it ready
        await supervisor.start("a")
    status = await state(supervisor, "a", State.FAILED)
    assert status.restarts in {0, 2}
    assert "a exited with code 7" in status.error
    assert "not started again by itself" in caplog.text


async def test_failures_are_forgotten_after_a_while_of_health(supervisor):
    code = f"import os\nprint(os.getpid(), flush=True)\n{FOREVER}"
    restart = Restart(delay=0.01, max_delay=0.01, reset_after=0.0, max_failures=2)
    supervisor.add(python("a", code, ready=TELL_PID, restart=restart))
    await supervisor.start("a")
    for restarts in (1, 2, 3):
        os.kill(supervisor.announced("a"), signal.SIGKILL)
        await state(supervisor, "a", State.BACKING_OFF)
        await supervisor.start("a")
        assert supervisor.child_status("a").restarts == restarts


async def test_a_child_without_restart_stays_down(supervisor):
    code = f"import os\nprint(os.getpid(), flush=True)\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID, restart=None))
    await supervisor.start("a")
    os.kill(supervisor.announced("a"), signal.SIGKILL)
    assert (await state(supervisor, "a", State.FAILED)).restarts == 0
    await supervisor.start("a")
    assert supervisor.child_status("a").state is State.READY


def test_the_delay_doubles_up_to_its_maximum():
    restart = Restart()
    delays = [restart.seconds(failures) for failures in range(1, 9)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert restart.seconds(100_000) == 30.0


async def test_a_child_that_ignores_sigterm_is_killed_with_all_it_started(supervisor):
    code = f"""
    import signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-c", {FOREVER!r}])
    print(grandchild.pid, flush=True)
    while True: time.sleep(60)
    """
    supervisor.add(python("a", code, ready=TELL_PID, stop_timeout=0.2))
    await supervisor.start("a")
    grandchild = psutil.Process(supervisor.announced("a"))
    child = grandchild.parent()
    await asyncio.wait_for(supervisor.stop("a"), 10)
    # The kernel has taken the signal; that the process has ended shows a moment later.
    await asyncio.to_thread(psutil.wait_procs, [child, grandchild], 5)
    assert alive([child, grandchild]) == []


async def test_sigterm_lets_a_child_end_in_its_own_way(supervisor, tmp_path):
    done = tmp_path / "done"
    code = f"""
    import pathlib, signal, time
    def end(number, frame):
        time.sleep(0.2)
        pathlib.Path({str(done)!r}).write_text("saved")
        raise SystemExit(0)
    signal.signal(signal.SIGTERM, end)
    print(1, flush=True)
    while True: time.sleep(60)
    """
    supervisor.add(python("a", code, ready=TELL_PID))
    await supervisor.start("a")
    await supervisor.stop("a")
    assert done.read_text() == "saved"


async def test_starts_at_the_same_time_share_one_process(supervisor, tmp_path):
    starts = tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('x')\nprint(1, flush=True)\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID))
    impatient = asyncio.create_task(supervisor.start("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(*(supervisor.start("a") for _ in range(5)))
    assert starts.read_text() == "x"
    assert impatient.cancelled()


async def test_stopping_a_child_that_is_starting_tells_those_who_wait(supervisor):
    asked = asyncio.Event()

    async def ask():
        asked.set()
        return False

    supervisor.add(python("a", FOREVER, ready=ask))
    waiting = asyncio.create_task(supervisor.start("a"))
    await asked.wait()
    process = psutil.Process(supervisor.child_status("a").pid)
    await asyncio.gather(supervisor.stop("a"), supervisor.stop("a"))
    with pytest.raises(ChildError, match="a was stopped before it was ready"):
        await waiting
    assert alive([process]) == []


async def test_a_start_that_is_stopped_in_the_middle_of_the_fork_leaves_no_process(supervisor):
    mark = f"mark-{os.getpid()}"
    supervisor.add(Child("a", (sys.executable, "-c", FOREVER, mark)))
    for turns in range(12):
        waiting = asyncio.create_task(supervisor.start("a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await supervisor.stop("a")
        # Before its first step the start knows of no stop, and starts what it was asked to.
        await asyncio.gather(waiting, return_exceptions=True)
        await supervisor.stop("a")
    mine = psutil.Process().children(recursive=True)
    assert [process for process in mine if mark in process.cmdline()] == []


async def test_a_start_during_a_stop_waits_and_starts_anew(supervisor):
    code = f"import os\nprint(os.getpid(), flush=True)\n{FOREVER}"
    supervisor.add(python("a", code, ready=TELL_PID))
    await supervisor.start("a")
    first = supervisor.announced("a")
    stopping = asyncio.create_task(supervisor.stop("a"))
    await state(supervisor, "a", State.STOPPING)
    await supervisor.start("a")
    await stopping
    assert supervisor.announced("a") not in {None, first}


async def test_close_stops_everything_and_refuses_new_starts():
    supervisor = Supervisor()
    for name in ("a", "b", "c"):
        supervisor.add(python(name, FOREVER))
    await asyncio.gather(supervisor.start("a"), supervisor.start("b"))
    pids = [status.pid for status in supervisor.status() if status.pid]
    await supervisor.close()
    assert len(pids) == 2
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert {status.state for status in supervisor.status()} == {State.STOPPED}
    with pytest.raises(ChildError, match="shutting down"):
        await supervisor.start("c")


async def test_names_are_unique_and_unknown_ones_are_refused(supervisor):
    supervisor.add(python("a", FOREVER))
    with pytest.raises(ValueError, match="already a child named a"):
        supervisor.add(python("a", FOREVER))
    with pytest.raises(LookupError, match="no child named b"):
        await supervisor.start("b")
    await supervisor.remove("a")
    assert "a" not in supervisor


async def test_a_secret_goes_through_standard_input(supervisor):
    code = """
    import sys, time
    key = sys.stdin.readline().strip()
    print(len(key), flush=True)
    while True: time.sleep(60)
    """
    child = python("a", code, guard=False, stdin=lambda: b"secret\n", ready=TELL_PID)
    supervisor.add(child)
    await supervisor.start("a")
    assert supervisor.announced("a") == len("secret")
    assert "secret" not in repr(child)
    with pytest.raises(ValueError, match="under the guard"):
        python("b", code, stdin=lambda: b"secret\n")


def test_a_child_does_not_get_our_own_settings(monkeypatch):
    monkeypatch.setenv("PAIFANG_SECRET_KEY", "x")
    monkeypatch.setenv("ADMIN_KEY", "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    env = clean_environment({"EXTRA": "1"})
    assert "PAIFANG_SECRET_KEY" not in env
    assert "ADMIN_KEY" not in env
    assert (env["LANG"], env["EXTRA"]) == ("C.UTF-8", "1")


async def test_a_child_that_talks_without_end_neither_blocks_nor_fills_memory(supervisor):
    code = """
    import sys, time
    for _ in range(300): sys.stdout.write("x" * 65536)
    sys.stdout.write("\\n")
    for n in range(5000): sys.stderr.write(f"line {n}\\n")
    sys.stderr.flush()
    print(1, flush=True)
    while True: time.sleep(60)
    """
    supervisor.add(python("a", code, ready=TELL_PID))
    await supervisor.start("a")
    running = supervisor._runners["a"]._running
    assert len(running.tail()) <= 30
    assert max(map(len, running.tail())) <= 4096


@given(
    texts=st.lists(st.text(alphabet="ab é", max_size=12), max_size=8),
    size=st.integers(1, 9),
)
def test_lines_are_the_same_however_they_arrive(texts, size):
    raw = "\n".join(texts).encode()

    async def read():
        stream = asyncio.StreamReader()
        chunks = io.BytesIO(raw)
        got = asyncio.ensure_future(collect(stream))
        while chunk := chunks.read(size):
            stream.feed_data(chunk)
            await asyncio.sleep(0)
        stream.feed_eof()
        return await got

    async def collect(stream):
        return [line async for line in lines(stream, limit=8)]

    expected = [text.encode()[:8].decode(errors="replace") for text in texts]
    if expected and not expected[-1]:
        expected.pop()
    assert asyncio.run(read()) == expected


def test_an_exit_is_described_in_words():
    assert describe_exit(0) == "exited with code 0"
    assert describe_exit(-15) == "was ended by SIGTERM"
    assert describe_exit(-9) == "was ended by SIGKILL (the system was perhaps out of memory)"
    assert describe_exit(-200) == "was ended by signal 200"


PARENT = """
import asyncio, json, sys
from paifang.core.processes.child import Child, ReadyLine, python_module
from paifang.core.processes.supervisor import Supervisor

FOREVER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
OURS = (
    "from paifang.core.processes.guard import end_with_parent; end_with_parent();" + FOREVER
)
# Like a model that loads: the interpreter lock is held, no thread can run.
DEAF = (
    "from paifang.core.processes.guard import end_with_parent; end_with_parent();"
    "import ctypes, os; print(os.getpid(), flush=True); ctypes.PyDLL(None).sleep(600)"
)

async def main():
    supervisor = Supervisor()
    pid = ReadyLine(lambda line: int(line))
    children = [Child("foreign", (sys.executable, "-c", FOREVER), ready=pid),
                Child("ours", (sys.executable, "-c", OURS), ready=pid, guard=False)]
    if sys.platform == "linux":
        children.append(Child("deaf", (sys.executable, "-c", DEAF), ready=pid, guard=False))
    for child in children:
        supervisor.add(child)
        await supervisor.start(child.name)
    print(json.dumps([supervisor.announced(c.name) for c in children]
                     + [s.pid for s in supervisor.status()]), flush=True)
    await asyncio.Event().wait()

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_kill_9_of_the_parent_leaves_no_orphan(loop):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, loop], stdout=subprocess.PIPE, env=clean_environment()
    )
    try:
        with parent.stdout:
            pids = json.loads(parent.stdout.readline())
            children = [psutil.Process(pid) for pid in sorted(set(pids))]
            assert len(children) == (4 if sys.platform == "linux" else 3)
            parent.kill()
            parent.wait(timeout=10)
            _gone, left = psutil.wait_procs(children, timeout=5)
            assert alive(left) == []
    finally:
        parent.kill()
        parent.wait(timeout=10)


def test_the_guard_ends_the_way_its_program_ends():
    guard = [sys.executable, "-m", "paifang.core.processes.guard"]
    run = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "env": clean_environment()}
    for code, expected in (
        ("raise SystemExit(5)", 5),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 15)", -15),
    ):
        process = subprocess.Popen([*guard, sys.executable, "-c", code], **run)
        assert process.wait(timeout=20) == expected
        process.communicate()
    assert subprocess.run(guard, **run | {"stdin": None}, check=False).returncode == 2
