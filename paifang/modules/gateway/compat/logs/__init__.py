"""``/api/logs`` and ``/api/log``."""
