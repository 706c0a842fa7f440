"""Who may do what. For now: the administrator key."""
