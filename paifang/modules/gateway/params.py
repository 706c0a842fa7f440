"""Values of the gateway that are kept in the database."""

from paifang.core.module import Param

WELCOMED = Param(
    "gateway.welcomed",
    default=False,
    description="Whether the first start has made its group and token.",
)
LOCAL_OFFERED = Param(
    "gateway.local_offered",
    default=False,
    description="Whether a channel for the packaged local model has been made. Deleting the "
    "channel does not bring it back.",
)
