"""Invitations: an owner lets somebody in, with roles and a place already chosen."""
