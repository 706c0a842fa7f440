"""Paifang: the back office of a small internet service, in one package."""

__version__ = "0.1.0"
