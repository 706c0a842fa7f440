"""``/api/channels`` and ``/api/channel``."""
