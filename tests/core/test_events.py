from dataclasses import dataclass

import pytest
from sqlalchemy import select

from paifang.core import events
from paifang.core.db import Database
from paifang.core.events import Events, publish
from paifang.core.jobs import Run, job
from paifang.core.module import Module
from paifang.core.outbox import Outbox


@dataclass(frozen=True)
class OrderPaid:
    order_id: str


@dataclass(frozen=True)
class Unheard:
    order_id: str


@dataclass(frozen=True)
class Nested:
    order_id: OrderPaid


@job("test.receipt")
async def send_receipt(run: Run, *, order_id: str) -> None:
    """Nobody runs it here."""


@job("test.credit")
async def credit_wallet(run: Run, *, order_id: str) -> None:
    """Nobody runs it here."""


@job("test.other")
async def other(run: Run, *, invoice_id: str) -> None:
    """Takes another id."""


SHOP = Module(name="shop", subscribers={OrderPaid: (send_receipt,), Nested: (send_receipt,)})
BILLING = Module(name="billing", subscribers={OrderPaid: (credit_wallet,)})


@pytest.fixture(autouse=True)
def subscriptions():
    events.install(Events((SHOP, BILLING)))
    yield
    events.install(None)


async def rows(db: Database) -> list[tuple[str, str, dict]]:
    async with db.reading() as session:
        found = await session.scalars(select(Outbox).order_by(Outbox.job))
        return [(row.id, row.job, row.arguments) for row in found]


async def test_an_event_asks_for_one_job_per_subscriber_of_any_module(db):
    async with db.transaction() as session:
        receipt, credit = publish(session, OrderPaid(order_id="o1"))
    assert await rows(db) == [
        (credit, "test.credit", {"order_id": "o1"}),
        (receipt, "test.receipt", {"order_id": "o1"}),
    ]


async def test_the_event_of_a_rolled_back_change_reaches_nobody(db):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as session:
            publish(session, OrderPaid(order_id="o1"))
            raise ZeroDivisionError
    assert await rows(db) == []


async def test_an_event_without_subscribers_asks_for_nothing(db):
    async with db.transaction() as session:
        assert publish(session, Unheard(order_id="o1")) == []
    assert await rows(db) == []


async def test_publishing_before_the_subscriptions_are_known_is_an_error(db):
    events.install(None)
    async with db.transaction() as session:
        with pytest.raises(RuntimeError, match="install"):
            publish(session, OrderPaid(order_id="o1"))


async def test_an_event_carries_ids_not_records(db):
    async with db.transaction() as session:
        with pytest.raises(ValueError, match="order_id is a OrderPaid"):
            publish(session, Nested(order_id=OrderPaid(order_id="o1")))


def test_a_subscriber_that_does_not_take_the_fields_is_refused_at_the_start():
    with pytest.raises(ValueError, match=r"test\.other"):
        Events((Module(name="bad", subscribers={OrderPaid: (other,)}),))


def test_an_event_that_is_no_dataclass_is_refused_at_the_start():
    with pytest.raises(ValueError, match="dataclass"):
        Events((Module(name="bad", subscribers={str: (send_receipt,)}),))
