"""What Paifang can do: one package per module; its ``module.py`` says what it brings."""
