"""Is this process alive, is it ready, and what does it count: ``/livez /readyz /metrics``.

What is answered stands in ``answers``. A process with the console answers through its API, whose
document names the three; any other process through ``app``, without importing an API.
"""
