"""Each house rule catches what it is for and lets the rest pass."""

import pytest

from scripts.check_rules import MAX_LINES, MAX_TEST_LINES, check, scoped_in, scoped_models

SERVICE = "paifang/modules/gateway/tokens/service.py"


@pytest.mark.parametrize("call", ["commit", "rollback"])
def test_a_transaction_is_ended_only_where_transactions_are_made(call: str) -> None:
    source = f"async def store(session):\n    await session.{call}()\n"

    assert check(SERVICE, source) == [
        f"{SERVICE}:2: .{call}() outside paifang/core/db: take a session, raise to refuse"
    ]
    assert check("paifang/core/db/engine.py", source) == []
    assert check("tests/core/test_db.py", source) == []


def test_a_word_that_only_looks_like_a_commit_is_fine() -> None:
    assert check(SERVICE, "on_commit(session, callback)\ncommit = 1\n") == []


@pytest.mark.parametrize(
    ("path", "limit"), [(SERVICE, MAX_LINES), ("tests/core/test_db.py", MAX_TEST_LINES)]
)
def test_a_file_over_the_limit_wants_to_be_split(path: str, limit: int) -> None:
    assert check(path, "x = 1\n" * limit) == []

    [finding] = check(path, "x = 1\n" * (limit + 1))

    assert f"{limit + 1} lines" in finding


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_unfinished_work_is_not_left_in_the_code(word: str) -> None:
    assert check(SERVICE, f"x = 1  # {word} later\n") == [
        f"{SERVICE}:1: {word}: do it, or file it as an issue"
    ]
    assert check(SERVICE, f"{word.lower()}s = 1  # a list of things to do\n") == []


@pytest.mark.parametrize(
    "directive",
    ["noqa", "noqa: S603", "noqa: S603, PLR0913", "type: ignore[attr-defined]", "pragma: no cover"],
)
def test_an_exception_to_a_rule_gives_its_reason_beside_it(directive: str) -> None:
    [finding] = check(SERVICE, f"x = 1  # {directive}\n")
    assert finding.startswith(f"{SERVICE}:1: ")
    assert finding.endswith("gives no reason beside it")

    for reason in ("  # our own arguments", " - our own arguments"):
        assert check(SERVICE, f"x = 1  # {directive}{reason}\n") == []


def test_a_directive_inside_a_string_is_no_directive() -> None:
    assert check(SERVICE, 'x = "# noqa"\n') == []


PEOPLE = """from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import aliased
from paifang.core.scope import unscoped, visible
from paifang.modules.accounts.users import models
from paifang.modules.accounts.users.models import User
from paifang.modules.accounts.users.models import User as Person
from paifang.modules.gateway.prices.models import Price
other = aliased(User)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "select(User)",
        "select(User.id, User.email).where(User.id == user_id).order_by(User.id)",
        "select(func.count(User.id))",
        "select(func.count()).select_from(User)",
        "select(Price, User).join(User)",
        "select(Price).join(User, User.id == Price.id)",
        "select(Price).add_columns(User.email)",
        "select(Person)",
        "select(models.User)",
        "select(other.id)",
        "select(aliased(User))",
        "update(User).values(email='')",
        "delete(User)",
        "exists().where(User.id == 1)",
        "exists(User.id)",
        "select(exists(select(User.id)))",
        "visible(select(Price).where(Price.id.in_(select(User.id))), caller)",
        "visible(page, caller, of=select(User))",
        "other_check(select(User), caller)",
        "session.get(User, user_id)",
        "session.get_one(Person, user_id)",
        "session.scalar(select(User).where(User.id == user_id))",
    ],
)
def test_a_scoped_model_is_not_touched_past_the_scope(statement: str) -> None:
    [finding] = check(SERVICE, PEOPLE + f"x = {statement}\n")
    assert finding.startswith(f"{SERVICE}:9: ")
    assert "visible(" in finding
    assert check("tests/test_x.py", PEOPLE + f"x = {statement}\n") == []


@pytest.mark.parametrize(
    "statement",
    [
        "visible(select(User), caller)",
        "visible(select(User).where(User.id == user_id), caller).order_by(User.id)",
        "visible(select(Price).join(User), caller, of=User)",
        "scope.visible(update(User).values(email=''), caller)",
        "unscoped(delete(User).where(User.id == user_id), 'a person deletes themselves')",
        "select(Price).where(Price.id.in_(visible(select(User.id), caller)))",
        "visible(select(Price).where(Price.id.in_(unscoped(select(User.id), 'x'))), caller)",
        "select(Price)",
        "session.get(Price, 1)",
        "parts.get(User)",
        "insert(User).values(email='')",
        "session.add(User())",
        "session.delete(user)",
        "users.delete(User, 1)",
    ],
)
def test_what_goes_through_the_scope_or_touches_nothing_scoped_is_fine(statement: str) -> None:
    assert check(SERVICE, PEOPLE + f"x = {statement}\n") == []


@pytest.mark.parametrize("reason", ["", ", ''", ", ' '", ", None", ", reason"])
def test_an_exception_to_the_scope_says_why(reason: str) -> None:
    [finding] = check(SERVICE, PEOPLE + f"x = unscoped(select(User){reason})\n")
    assert "without a reason" in finding


def test_a_name_that_is_only_the_same_is_fine() -> None:
    assert check(SERVICE, "from elsewhere import User\nx = select(User)\n") == []


def test_scoped_models_are_found_where_they_are_defined() -> None:
    assert scoped_in("class A(Scoped, Base): ...\nclass B(Base): ...\n") == {"A"}
    assert "User" in scoped_models()
