"""Deny by default, in a URL too: a parameter that a route does not know is refused, not ignored."""

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from paifang.core.errors import Invalid


def check_query(request: Request) -> None:
    """Refuse what stands in the URL's query and means nothing to the route.

    A misspelt filter would else answer with everything. A route that imitates another service's
    API ignores what that service would.

    Raises:
        Invalid: naming each parameter that is not known.
    """
    route = request.scope.get("route")
    if not request.url.query or route is None or hasattr(route, "render_problem"):
        return
    known = set(_parameters(route.dependant))
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if not unknown:
        return
    advice = f"use {', '.join(sorted(known))}" if known else "this route takes none"
    errors = [
        {"field": name[:64], "in": "query", "message": f"there is no such parameter; {advice}"}
        for name in unknown[:20]
    ]
    raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}.", errors=errors)


def _parameters(dependant: Any) -> Iterator[str]:
    """The names of the query parameters of a route and of what it depends on."""
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (info.alias or name for name, info in kind.model_fields.items())
        else:
            yield field.alias
    for part in dependant.dependencies:
        yield from _parameters(part)
