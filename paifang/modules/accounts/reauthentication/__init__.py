"""Proving once more who one is, before a sensitive change."""
