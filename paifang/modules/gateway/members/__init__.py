"""Members: who belongs to which group, and as what."""
