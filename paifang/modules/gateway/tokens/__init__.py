"""Tokens: the API keys of a group."""
