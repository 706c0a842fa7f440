"""Accounts at other services, with which people sign in here: OpenID Connect, and GitHub."""
