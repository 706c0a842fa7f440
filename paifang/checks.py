"""What must be so before Paifang serves (``check``), and what is on and off (``doctor``).

A process that starts asks for what it does: one without the console has no routes, and one that
only relays has no jobs, sends no mail and leaves the modules' own checks to the others. The
commands ask for everything.
"""

import functools
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from paifang import migrate
from paifang.core.cache import open_cache
from paifang.core.db import UnsupportedDatabaseError
from paifang.core.jobs.store import store_url
from paifang.core.module import Finding, MenuKind, Module, load
from paifang.core.runtime import Runtime
from paifang.core.settings import SettingsError


def check_routes(modules: Iterable[Module]) -> list[Finding]:
    """Each route declares its access once; permissions used and declared are the same; no two
    routes answer the same call, or have one name.
    """
    from fastapi.routing import APIRoute  # noqa: PLC0415  # a process without routes has no API

    from paifang.api import operation_id, routers  # noqa: PLC0415  # the same
    from paifang.core.auth import declared_access  # noqa: PLC0415  # the same

    modules = tuple(modules)
    findings: list[Finding] = []
    used: set[StrEnum] = set()
    seen: list[str] = []
    routes = ((prefix, route) for prefix, found in routers(modules) for route in found.routes)
    for prefix, route in routes:
        if not isinstance(route, APIRoute):
            name = f"{prefix}{getattr(route, 'path', type(route).__name__)}"
            findings.append(_error(name, *_NO_ROUTE))
            continue
        name = f"{','.join(sorted(route.methods or ()))} {prefix}{route.path}"
        seen += [f"{method} {prefix}{route.path}" for method in route.methods or ()]
        if route.include_in_schema:
            seen.append(f"operation {operation_id(route)}")
        access = declared_access(route)
        if len(access) != 1:
            findings.append(
                _error(
                    name,
                    f"{len(access)} access declarations where exactly one must stand",
                    "add dependencies=[require(...)] or [public()] to the route",
                )
            )
        used.update(permission for permission in access if permission is not None)
    findings.extend(_twice(seen))
    declared = {p for m in modules if m.permissions is not None for p in m.permissions}
    findings.extend(
        _error(str(p), "is required by a route but no module declares it", "add it to the enum")
        for p in sorted(used - declared)
    )
    findings.extend(
        _error(str(p), "is declared but no route requires it", "remove it, or use it")
        for p in sorted(declared - used)
    )
    return findings


_NO_ROUTE = (
    "is not an API route, so it can't declare its access",
    "declare routes with the router's decorators; list nested routers in the module's manifest",
)


def check_manifests(modules: Iterable[Module]) -> list[Finding]:
    """Names are unique, menus and members' permissions exist, subscribers are jobs of a module."""
    modules = tuple(modules)
    findings: list[Finding] = []
    declared = {p for m in modules if m.permissions is not None for p in m.permissions}
    jobs = [job for m in modules for job in load(m.jobs)]
    known = {job.name for job in jobs}
    names: list[str] = [m.name for m in modules]
    names += [f"menu {entry.name}" for m in modules for entry in m.menu]
    names += [f"param {param.name}" for m in modules for param in m.params]
    names += [f"job {job.name}" for job in jobs]
    names += [f"scoped {word}" for m in modules for word in m.scoped]
    names += [str(p) for m in modules if m.permissions is not None for p in m.permissions]
    findings.extend(_twice(names))
    findings.extend(_check_menu(modules, declared))
    for module in modules:
        findings.extend(
            _error(str(p), f"is given to members by {module.name}, which lacks it", "declare it")
            for p in module.member_permissions
            if p not in (module.permissions or ())
        )
        findings.extend(
            _error(
                f"{event.__name__} in {module.name}",
                f"is subscribed to by {job.name}, which is not a job of any module",
                "add it to the module's jobs",
            )
            for event, subscribers in module.subscribers.items()
            for job in load(subscribers)
            if job.name not in known
        )
    return findings


def _check_menu(modules: tuple[Module, ...], declared: set[StrEnum]) -> list[Finding]:
    """Each entry needs a permission that exists, and stands where such an entry can."""
    kinds = {entry.name: entry.kind for module in modules for entry in module.menu}
    findings: list[Finding] = []
    for entry in (entry for module in modules for entry in module.menu):
        wrong = functools.partial(_error, f"menu {entry.name}")
        if entry.kind == MenuKind.DIRECTORY:
            if entry.needs is not None:
                findings.append(wrong("is a directory with a permission", "give it to its pages"))
        elif entry.needs not in declared:
            findings.append(wrong(f"needs {entry.needs}, which no module declares", "declare it"))
        if entry.kind == MenuKind.PAGE and not entry.path.startswith("/"):
            findings.append(wrong("is a page without a path", "begin its path with a slash"))
        above = MenuKind.PAGE if entry.kind == MenuKind.BUTTON else MenuKind.DIRECTORY
        if entry.parent is None:
            if entry.kind == MenuKind.BUTTON:
                findings.append(wrong("is a button without a page", "name its page as parent"))
        elif kinds.get(entry.parent) != above:
            findings.append(
                wrong(f"is in {entry.parent}, which is no {above} of any module", "correct it")
            )
    return findings


def _twice(names: list[str]) -> list[Finding]:
    counted = Counter(names)
    return [
        _error(name, "is there twice", "rename one of them")
        for name in sorted(name for name, count in counted.items() if count > 1)
    ]


async def check_database(runtime: Runtime) -> list[Finding]:
    """The database answers and is at this version's schema."""
    shown = runtime.db.url.render_as_string(hide_password=True)
    try:
        at = await migrate.current(runtime.db)
    except Exception as error:  # noqa: BLE001  # whatever the driver raises is the finding
        return [
            _error(
                "database",
                f"{shown} does not answer: {type(error).__name__}: {error}",
                "is it running, and is PAIFANG_DB_URL right?",
            )
        ]
    newest = migrate.head()
    if at == newest:
        return [Finding("ok", "database", f"{shown}, schema {at}")]
    if at is not None and at not in migrate.known_revisions():
        advice = "start the newer Paifang that made it, or restore a backup"
    else:
        advice = "run `paifang migrate`; `paifang up` does it by itself"
    return [_error("database", f"schema {at or 'none'}, this version needs {newest}", advice)]


async def check_settings(runtime: Runtime) -> list[Finding]:
    """Settings that name something are read now, not when somebody needs it."""
    findings: list[Finding] = []
    try:
        store_url(runtime.settings)
    except UnsupportedDatabaseError as error:
        findings.append(_error("jobs", str(error), "correct it, or leave it out"))
    try:
        await open_cache(runtime.settings.redis).close()
    except SettingsError as error:
        findings.append(_error("redis", str(error), "correct it, or leave it out"))
    if _only_relays(runtime):
        return findings
    from paifang.core.mail import open_backend  # noqa: PLC0415  # for who sends mail

    try:
        open_backend(runtime.settings.mail)
    except SettingsError as error:
        findings.append(_error("mail", str(error), "correct it, or leave it out"))
    return findings


def _only_relays(runtime: Runtime) -> bool:
    return runtime.roles == {"gateway"}


async def check(runtime: Runtime) -> list[Finding]:
    """Everything ``paifang check`` asserts of a process with these roles."""
    findings: list[Finding] = []
    if "console" in runtime.roles:
        findings += check_routes(runtime.modules)
    if not _only_relays(runtime):
        findings += check_manifests(runtime.modules)
    findings += await check_settings(runtime)
    findings += await check_database(runtime)
    # The modules' own checks ask a database that is right.
    if _only_relays(runtime) or any(f.level == "error" for f in findings):
        return findings
    return findings + await check_modules(runtime)


async def check_modules(runtime: Runtime) -> list[Finding]:
    """What the modules' own checks find."""
    findings: list[Finding] = []
    for module in runtime.modules:
        for ask in load(module.checks):
            findings += await ask(runtime)
    return findings


def _error(subject: str, message: str, advice: str) -> Finding:
    return Finding("error", subject, message, advice)
