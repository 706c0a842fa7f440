"""The gateway: groups, tokens, channels, prices and logs, and the relay that serves ``/v1``."""
