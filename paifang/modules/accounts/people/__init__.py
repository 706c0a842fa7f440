"""People: what administrators see of accounts, and do to them."""
