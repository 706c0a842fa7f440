"""Roles: which permissions people hold, and for which rows."""
