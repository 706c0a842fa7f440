"""``/api/models``: the models that channels serve, and their prices."""
