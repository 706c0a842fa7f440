"""Menus: the console's, as the modules bring it and an administrator has dressed it."""
