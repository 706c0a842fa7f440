"""The API of AI Proxy v1, so that a front end written for that service works against this one.

Its paths, envelope, integer ids and milliseconds stand here and nowhere else; what is done is
done by the services of groups, tokens, channels, prices and logs. ``docs/guides/ai-proxy.md``
names what differs on purpose.
"""
