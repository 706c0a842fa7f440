"""Which endpoints there are, for documents that name them."""

import functools
import re

from fastapi.routing import APIRoute

from paifang.api import routers
from paifang.modules.gateway.relay.dialect import ENDPOINTS
from paifang.modules.gateway.relay.listing import MODELS_PATH


@functools.cache
def endpoints() -> frozenset[tuple[str, str]]:
    """Method and path of each, parameters as ``{}``."""
    found = {
        (method, plain(prefix + route.path))
        for prefix, router in routers()
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    found |= {("POST", path) for path in ENDPOINTS}
    found |= {("GET", MODELS_PATH), ("GET", f"{MODELS_PATH}/{{}}")}
    return frozenset(found)


def plain(path: str) -> str:
    """A path without its query, parameters without their names."""
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])
