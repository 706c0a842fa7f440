"""How usage refuses."""

from paifang.core.errors import Forbidden, Invalid


class BadPeriod(Invalid):
    """The time asked for is empty, too long for its steps, or in no known time zone."""

    code = "bad_period"
    title = "This period can't be shown"


class ChannelsHidden(Forbidden):
    """Which channels there are is for those who may read them."""

    code = "channels_hidden"
    title = "Usage by channel needs the permission gateway.channels:read"
