"""Fill a home folder: ``paifang_seed.py <home> <upstream port> <tokens>`` prints the key to use.

One channel, one price, one group, and so many tokens of it; the key printed has every limit
there is (requests, model tokens, concurrency, quota), and so has its group, all too high to
refuse.
"""

import asyncio
import sys
from pathlib import Path

import messages

from paifang import migrate
from paifang.app import open_runtime
from paifang.core.commands import OPERATOR
from paifang.core.runtime import Runtime
from paifang.core.settings import load
from paifang.modules.gateway.channels import service as channels
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.keys import KEY_PREFIX, digest, make_key
from paifang.modules.gateway.tokens.models import Token
from paifang.registry import settings_areas

GROUP = "bench"
RPM, TPM, CONCURRENCY = 1_000_000_000, 1_000_000_000_000, 1_000_000


async def fill(runtime: Runtime, upstream: int, count: int) -> str:
    """Make everything; the key to call with."""
    await migrate.upgrade(runtime.db, backups=runtime.settings.home / "backups", say=_quiet)
    async with runtime.db.transaction() as session:
        await channels.create(
            session,
            actor=OPERATOR,
            secrets=runtime.secrets,
            name="double",
            provider="openai",
            base_url=f"http://127.0.0.1:{upstream}/v1",
            credential="sk-upstream-0123456789",
            models=[messages.MODEL],
        )
        await prices.create(
            session,
            actor=OPERATOR,
            model=messages.MODEL,
            input=NANOS_PER_UNIT,
            output=2 * NANOS_PER_UNIT,
        )
        await groups.create(
            session,
            actor=OPERATOR,
            group_id=GROUP,
            unpriced="allow",
            rpm=RPM,
            tpm=TPM,
            concurrency=CONCURRENCY,
        )
        _, key = await tokens.create(
            session,
            actor=OPERATOR,
            group_id=GROUP,
            name="bench",
            models=[messages.MODEL],
            quota=1_000_000_000 * NANOS_PER_UNIT,
            rpm=RPM,
            tpm=TPM,
            concurrency=CONCURRENCY,
        )
    async with runtime.db.transaction() as session:
        # Straight into the table: what they weigh matters here, not how they are made.
        session.add_all(_more_token(number) for number in range(count - 1))
    await runtime.db.close()
    return key


def _more_token(number: int) -> Token:
    key = make_key()
    return Token(
        number=1_000_000 + number,
        group_id=GROUP,
        name=f"token {number}",
        digest=digest(key),
        prefix=key[: len(KEY_PREFIX) + 4],
        last_four=key[-4:],
        models=None,
        networks=[],
        rpm=100,
        created_by="bench",
    )


def _quiet(line: str) -> None:
    del line


def main() -> None:
    """Fill and print."""
    home, upstream, count = sys.argv[1:]
    settings = load(settings_areas(), environ={"PAIFANG_HOME": home}, folder=Path(home))
    print(asyncio.run(fill(open_runtime(settings), int(upstream), int(count))))


if __name__ == "__main__":
    main()
