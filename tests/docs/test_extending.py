"""The module that docs/guides/extending.md builds works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from docs.markdown import ROOT, blocks

PROGRAM = """
import asyncio
import sys
from pathlib import Path

import paifang.modules
paifang.modules.__path__.append(sys.argv[1])

from paifang import checks
from paifang.core import events, outbox
from paifang.core.auth import Principal
from paifang.core.db import Base, Database
from paifang.core.errors import NotFound
from paifang.core.ids import uuid7
from paifang.core.jobs.service import collect
from paifang.core.pagination import PageQuery
from paifang.modules.hello.greetings import service
from paifang.core.scope import OWN
from paifang.modules.hello.module import module
from paifang.modules.hello.notes import service as notes
from paifang.modules.hello.notes.models import Note
from paifang.registry import import_models
from sqlalchemy import make_url, select

SOMEBODY = Principal(id="somebody", name="Somebody")


async def main():
    assert checks.check_routes([module]) == []
    assert checks.check_manifests([module]) == []
    assert "hello.send_greeting" in collect([module])
    import_models()
    events.install(events.Events([module]))
    database = Database(make_url("sqlite+aiosqlite:///" + sys.argv[1] + "/hello.db"))
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with database.transaction() as session:
        made = await service.create(
            session, actor=SOMEBODY, to="ada@example.org", text="Good morning."
        )
    async with database.reading() as session:
        found = await service.list_page(session, paging=PageQuery(page=1, page_size=20, sort=""))
        waiting = (await session.scalars(select(outbox.Outbox))).all()
    assert [greeting.text for greeting in found.items] == ["Good morning."]
    assert [(row.job, row.arguments) for row in waiting] == [
        ("hello.send_greeting", {"greeting_id": str(made.id)})
    ]
    ada, bob = uuid7(), uuid7()
    async with database.transaction() as session:
        session.add_all(Note(owner_id=owner, text="Mine.") for owner in (ada, bob))
    caller = Principal("ada", "Ada", user_id=ada, grants={"notes:write": OWN}, needed="notes:write")
    async with database.transaction() as session:
        found = {note.owner_id: note.id for note in await session.scalars(select(Note))}
        assert (await notes.get(session, caller=caller, note_id=found[ada])).text == "Mine."
        try:
            await notes.get(session, caller=caller, note_id=found[bob])
        except NotFound:
            pass
        else:
            raise AssertionError("Ada sees what is Bob's")
        await notes.clear(session, caller=caller, note_ids=list(found.values()))
        assert await notes.count_all(session) == 2
    async with database.reading() as session:
        texts = {note.owner_id: note.text for note in await session.scalars(select(Note))}
    assert texts == {ada: "", bob: "Mine."}
    await database.close()


asyncio.run(main())
print("it works")
"""


def test_the_module_of_the_guide_passes_the_checks_and_asks_for_its_job(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "guides" / "extending.md").read_text(encoding="utf-8")
    for block in blocks(text, "python"):
        head = re.match(r"# paifang/modules/(\S+)\n", block)
        assert head is not None, "each block says which file it is"
        file = tmp_path / head[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block, encoding="utf-8")
    (tmp_path / "hello" / "__init__.py").touch()
    (tmp_path / "hello" / "greetings" / "__init__.py").touch()
    (tmp_path / "hello" / "notes" / "__init__.py").touch()

    # In a process of its own: the guide's table must not be in the metadata of other tests.
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.stdout.strip() == "it works", ended.stderr
