"""The fixtures of accounts: people, browsers, an installation."""

from modules.accounts.conftest import (  # noqa: F401  # pytest finds fixtures by their names here
    browser,
    people,
    runtime,
    settings,
)
