"""Stand-ins that speak the real protocol over real sockets."""
