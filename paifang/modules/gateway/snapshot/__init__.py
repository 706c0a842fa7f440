"""The loader: builds the relay's snapshot from the tables and keeps it fresh."""
