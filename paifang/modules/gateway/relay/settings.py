"""What can be set about the relay; every value has a default that works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Limits and waits of the relay. Sizes are bytes, times are seconds."""

    max_body_bytes: int = 32 * 1024 * 1024
    """Largest request body; a larger one is refused with 413."""
    body_timeout: float = 60.0
    """Longest time a client may take to send its request body, else 408."""
    max_response_bytes: int = 64 * 1024 * 1024
    """Largest answer that is not a stream; it is held in memory until it is complete."""
    max_event_bytes: int = 1024 * 1024
    """Largest event of a stream that is read for usage; a larger one passes unread."""
    max_held_bytes: int = 1024 * 1024
    """Most bytes of comments a stream may send before its first event."""
    max_attempts: int = 3
    """Most upstreams asked for one call."""
    max_cooldown: float = 3600.0
    """Longest time an upstream's ``Retry-After`` keeps its channel out of use."""
    watch_after: float = 0.05
    """A call older than this is watched for its client's leaving; younger ones finish first."""
    end_of_stream_wait: float = 1.0
    """After a stream's ``[DONE]``: the wait for the upstream's end, so that its connection can
    be used again. Also the wait for the usage when a client leaves with the whole answer."""
    journal_retry: float = 1.0
    """After the journal was found full, new calls are refused for this long without a try."""
