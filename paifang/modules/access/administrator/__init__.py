"""The administrator key: the one credential that exists before there are people."""
