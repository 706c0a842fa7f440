"""Logs: what each call did and consumed."""
