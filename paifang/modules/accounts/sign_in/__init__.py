"""Signing in by password, from pages and from programs."""
