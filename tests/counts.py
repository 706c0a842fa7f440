"""How often fault and property tests try: few times in ``make test``, often in ``make test-long``.

Both run the same tests. A test that can't be shortened is marked ``long``.
"""

from hypothesis import settings

from plugins.needs import variable

SHORT_EXAMPLES = 50
LONG_EXAMPLES = 2000


def is_long() -> bool:
    """Whether this is ``make test-long``."""
    return bool(variable("LONG"))


def count(short: int, long: int) -> int:
    """``short`` in ``make test``, ``long`` in ``make test-long``."""
    return long if is_long() else short


def pytest_configure() -> None:
    """Tell Hypothesis. Short runs try the same examples each time; long runs look for new ones.

    No deadline: the time of one example says more about the machine than about the code.
    """
    settings.register_profile(
        "short", derandomize=True, deadline=None, database=None, max_examples=SHORT_EXAMPLES
    )
    settings.register_profile("long", deadline=None, print_blob=True, max_examples=LONG_EXAMPLES)
    settings.load_profile("long" if is_long() else "short")
