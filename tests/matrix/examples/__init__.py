"""How each route is called with success, a file per module; see ``matrix.walk``."""
