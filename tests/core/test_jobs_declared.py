"""What is refused where a job is declared, and how things stand without a worker."""

import asyncio

import pytest

from paifang.core.db import Database
from paifang.core.jobs import Run, enqueue, job
from paifang.core.jobs.engine import Engine
from paifang.core.jobs.models import Worker
from paifang.core.jobs.service import Jobs, collect
from paifang.core.jobs.view import findings, list_workers
from paifang.core.module import Module
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


@on_sqlite
async def test_without_a_worker_the_doctor_says_that_jobs_wait(
    settings: CoreSettings, db: Database
) -> None:
    @job("test.waiting")
    async def waiting(run: Run) -> None:
        """Nobody runs it."""

    assert [f.level for f in await findings(settings, db)] == ["off"]
    async with db.transaction() as session:
        enqueue(session, waiting)
    (found,) = await findings(settings, db)
    assert (found.level, "1 wait" in found.message) == ("warning", True)


@on_sqlite
async def test_the_doctor_sees_workers_with_different_stores(
    settings: CoreSettings, db: Database
) -> None:
    async with db.transaction() as session:
        for name in ("a", "b"):
            session.add(
                Worker(id=name, host=name, pid=1, queues="default", store=f"{name}:/jobs.db")
            )
    assert [f.level for f in await findings(settings, db)] == ["ok", "error"]


@on_sqlite
async def test_a_start_that_fails_leaves_nothing_behind(
    settings: CoreSettings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(self: Engine, queues: object) -> None:
        raise OSError("no store")

    monkeypatch.setattr(Engine, "launch", launch)
    jobs = Jobs(Runtime(settings=settings, db=db, secrets=open_secrets(settings)))
    before = {task.get_name() for task in asyncio.all_tasks()}
    with pytest.raises(OSError, match="no store"):
        await jobs.start()
    await jobs.stop()
    assert {task.get_name() for task in asyncio.all_tasks()} == before
    assert [w.alive for w in await list_workers(settings, db)] == [False]


def test_two_jobs_of_one_name_are_refused() -> None:
    @job("test.same")
    async def one(run: Run) -> None:
        """First."""

    @job("test.same")
    async def other(run: Run) -> None:
        """Second."""

    assert collect((Module(name="a", jobs=(one, one.every("0 3 * * *"))),))["test.same"].cron
    with pytest.raises(ValueError, match=r"test\.same"):
        collect((Module(name="a", jobs=(one,)), Module(name="b", jobs=(other,))))


@pytest.mark.parametrize("cron", ["never", "61 * * * *", ""])
def test_a_wrong_cron_expression_is_refused(cron: str) -> None:
    @job("test.cron")
    async def clean(run: Run) -> None:
        """Never runs."""

    with pytest.raises(ValueError, match="cron"):
        clean.every(cron)


def test_a_job_with_arguments_can_not_start_by_itself() -> None:
    @job("test.needs")
    async def needs(run: Run, *, user_id: str) -> None:
        """Never runs."""

    with pytest.raises(ValueError, match="user_id"):
        needs.every("0 3 * * *")
