"""The console of Paifang as :mod:`lists` measures it, with somebody signed in."""

import sys
from pathlib import Path
from uuid import UUID

from starlette.requests import Request

from paifang.app import Application, open_runtime
from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.core.scope import OWN
from paifang.core.settings import load
from paifang.modules.gateway.permissions import MEMBER_PERMISSIONS
from paifang.registry import MODULES, settings_areas

HOME, URL, PERSON = sys.argv[1:4]
PORT = int(sys.argv[4])
WHO = Principal(
    id=PERSON,
    name="Somebody",
    user_id=UUID(PERSON),
    grants={permission.value: OWN for permission in MEMBER_PERMISSIONS},
)


async def signed_in(_request: Request, _runtime: Runtime) -> Principal | None:
    """Both sides are spared what a sign-in costs: it is the list that is measured."""
    return WHO


def main() -> None:
    """Serve, on uvicorn as the other side."""
    import uvicorn  # noqa: PLC0415  # after the settings are read

    environ = {
        "PAIFANG_HOME": HOME,
        "PAIFANG_DB_URL": URL,
        "PAIFANG_LOG_LEVEL": "WARNING",
    }
    settings = load(settings_areas(MODULES), environ=environ, folder=Path(HOME))
    runtime = open_runtime(settings, roles=frozenset({"console"}))
    runtime.authenticators = (signed_in,)
    uvicorn.run(Application(runtime), port=PORT, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
