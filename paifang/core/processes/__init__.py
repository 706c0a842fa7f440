"""The supervisor of child processes: start, readiness, output, restart with back-off, stop.

Import from :mod:`.child` and :mod:`.supervisor`. This file stays empty so that a child that
needs only :mod:`.guard` starts fast.
"""
