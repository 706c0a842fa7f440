"""The list of models a caller may call, in OpenAI's shape."""

from typing import Any

from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.errors import Refusal
from paifang.modules.gateway.relay.snapshot import Snapshot

MODELS_PATH = "/v1/models"


def list_models(snapshot: Snapshot, caller: Caller) -> dict[str, Any]:
    """All models the caller may call, by name."""
    names = sorted(name for name, channels in snapshot.channels.items() if channels)
    return {"object": "list", "data": [_model(name) for name in names if caller.may_use(name)]}


def one_model(snapshot: Snapshot, caller: Caller, name: str) -> dict[str, Any]:
    """One model. Raises :class:`Refusal` (404), also for one the caller may not call."""
    if not snapshot.channels.get(name) or not caller.may_use(name):
        raise model_not_found(name)
    return _model(name)


def model_not_found(name: str) -> Refusal:
    """The same answer for a model that is not there and for one that must not be called."""
    return Refusal(
        404,
        "model_not_found",
        f"The model {name[:256]!r} does not exist, or this key may not call it. GET {MODELS_PATH} "
        "lists those it may.",
        param="model",
    )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "paifang"}
