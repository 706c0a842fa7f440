"""Second factors: what somebody has beside a password."""
