"""``/api/groups`` and ``/api/group``."""
