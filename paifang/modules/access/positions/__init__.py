"""Positions: what people are in the organisation. They grant nothing."""
