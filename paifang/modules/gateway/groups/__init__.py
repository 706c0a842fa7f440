"""Groups: the tenants of the gateway, a person or a team each."""
