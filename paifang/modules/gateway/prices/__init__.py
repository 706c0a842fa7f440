"""Prices: what a model costs, from a date on. History is kept."""
