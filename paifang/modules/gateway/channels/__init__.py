"""Channels: the upstreams, a provider at a base URL with its credentials."""
