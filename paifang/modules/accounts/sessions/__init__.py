"""Sessions: a signed-in person on a device."""
