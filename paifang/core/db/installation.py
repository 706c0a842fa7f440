"""What tells this installation from others that use the same servers.

It is a number, drawn once, in the database, which is what all processes of an installation have in
common. A backup that is restored makes another installation, so it does not take the number along.
"""

import secrets

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from paifang.core.db.counters import Counter
from paifang.core.db.engine import Database

ROW = "installation"
"""The name of the counter that holds it; it never counts."""
_BITS = 63

_READ = select(Counter.value).where(Counter.name == ROW)


async def installation_id(database: Database) -> str:
    """The installation's id: 16 hexadecimal digits, drawn when it is first asked for.

    Raises:
        SQLAlchemyError: the database is away.
    """
    async with database.reading() as session:
        number = await session.scalar(_READ)
    while number is None:
        try:
            async with database.transaction() as session:
                # A process that starts at the same moment may have been faster.
                number = await session.scalar(_READ)
                if number is None:
                    number = secrets.randbits(_BITS)
                    await session.execute(insert(Counter).values(name=ROW, value=number))
        except IntegrityError:
            number = None
    return f"{number:016x}"


async def forget_installation(connection: AsyncConnection) -> None:
    """Have another id drawn when it is next asked for."""
    await connection.execute(delete(Counter).where(Counter.name == ROW))
