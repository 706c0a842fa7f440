"""What has begun and waits for its one end: a passkey's challenge, a trip to another service."""
