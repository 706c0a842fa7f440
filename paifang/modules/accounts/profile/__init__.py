"""The profile: what people keep of themselves, take with them, and delete."""
