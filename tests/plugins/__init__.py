"""Fixtures and rules of the test run; ``conftest.py`` loads them."""
