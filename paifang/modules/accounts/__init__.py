"""Accounts: the people, how they come in, and their sessions."""
