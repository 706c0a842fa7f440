"""Links that are sent by mail: single use, short-lived, bound to a person and a purpose."""
