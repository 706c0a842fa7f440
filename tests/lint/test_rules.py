"""Each house rule catches what it is for and lets the rest pass."""

import pytest

from scripts.check_rules import MAX_LINES, MAX_TEST_LINES, check

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
