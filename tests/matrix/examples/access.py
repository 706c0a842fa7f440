"""Examples of access."""

from matrix.walk import Example, World, example
from paifang.modules.access.menus import service as menus
from paifang.modules.access.positions import service as positions
from paifang.registry import MODULES


@example("roles.create_role")
async def _(world: World) -> Example:
    code = (await world.role()).hex[::-1]
    return Example(json={"code": code, "name": "Role"})


@example("roles.get_role")
@example("roles.delete_role")
async def _(world: World) -> Example:
    return Example(path={"role_id": await world.role()})


@example("roles.update_role")
async def _(world: World) -> Example:
    return Example(path={"role_id": await world.role()}, json={"name": "Other"})


@example("roles.set_role_permissions")
async def _(world: World) -> Example:
    return Example(path={"role_id": await world.role()}, json={"permissions": []})


@example("roles.list_role_people")
async def _(world: World) -> Example:
    role = await world.role()
    person = await world.person(role, department=world.far)
    return Example(path={"role_id": role}, shows=str(person))


@example("departments.list_departments")
async def _(world: World) -> Example:
    return Example(shows=str(world.far))


@example("departments.create_department")
async def _(world: World) -> Example:
    name = f"new {(await world.department()).hex}"
    return Example(json={"name": name, "parent_id": str(world.far)}, hidden=True)


@example("departments.get_department")
async def _(world: World) -> Example:
    return Example(path={"department_id": world.far}, hidden=True)


@example("departments.update_department")
async def _(world: World) -> Example:
    return Example(path={"department_id": world.far}, json={"sort": 1}, hidden=True)


@example("departments.move_department")
async def _(world: World) -> Example:
    body = {"parent_id": str(world.home)}
    return Example(path={"department_id": await world.department()}, json=body, hidden=True)


@example("departments.delete_department")
async def _(world: World) -> Example:
    return Example(path={"department_id": await world.department()}, hidden=True)


async def a_position(world: World) -> dict[str, object]:
    code = (await world.role()).hex
    async with world.db.transaction() as session:
        made = await positions.create(session, actor=world.operator, code=code, name="Position")
    return {"position_id": made.id}


@example("positions.create_position")
async def _(world: World) -> Example:
    return Example(json={"code": (await world.role()).hex, "name": "Position"})


@example("positions.get_position")
@example("positions.delete_position")
async def _(world: World) -> Example:
    return Example(path=await a_position(world))


@example("positions.update_position")
async def _(world: World) -> Example:
    return Example(path=await a_position(world), json={"name": "Other"})


async def a_link(world: World) -> dict[str, object]:
    async with world.db.transaction() as session:
        made = await menus.create_link(
            session,
            actor=world.operator,
            modules=MODULES,
            kind="link",
            url="https://example.org",
            titles={"en": "Link"},
        )
    return {"link_id": menus.link_id(made)}


@example("menus.create_menu_link")
async def _(world: World) -> Example:
    return Example(json={"titles": {"en": "Link"}, "url": "https://example.org"})


@example("menus.update_menu_link")
async def _(world: World) -> Example:
    return Example(path=await a_link(world), json={"sort": 1})


@example("menus.delete_menu_link")
async def _(world: World) -> Example:
    return Example(path=await a_link(world))


@example("menus.override_menu")
async def _(world: World) -> Example:
    return Example(path={"name": "access.roles"}, json={"sort": 1})


@example("menus.reset_menu")
async def _(world: World) -> Example:
    return Example(path={"name": "access.roles"})


@example("access.explain_access")
async def _(world: World) -> Example:
    query = {"user_id": str(world.stranger), "permission": "access.roles:read"}
    return Example(query=query, hidden=True)
