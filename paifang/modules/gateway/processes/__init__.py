"""Which processes serve the gateway, and that none of them counts the limits by itself."""
