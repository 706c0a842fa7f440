"""Signing up: by everybody, by invitation or by approval, and the first administrator."""
