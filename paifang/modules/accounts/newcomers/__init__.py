"""Newcomers: who may come in, and what a new person may use."""
