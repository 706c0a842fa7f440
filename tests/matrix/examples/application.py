"""Examples of what the application itself serves."""

from matrix.walk import Example, World, example


@example("pages.assets")
@example("pages.static")
@example("pages.reference")
async def _(world: World) -> Example:
    return Example(path={"name": "no-such-file.css"})


@example("health.metrics")
async def _(world: World) -> Example:
    # Public for the walk: it asks for a key of its own, as scrapers can send it.
    return Example(headers={"Authorization": f"Bearer {world.runtime.secrets.admin_key}"})
