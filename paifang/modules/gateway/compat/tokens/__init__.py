"""``/api/tokens`` and ``/api/token``."""
