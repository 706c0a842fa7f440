"""Codes for the day on which no second factor is at hand."""
