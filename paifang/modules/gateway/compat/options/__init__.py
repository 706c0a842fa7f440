"""``/api/option``: what that service lets one change while it runs."""
