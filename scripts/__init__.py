"""What the Makefile runs: the servers of the tests, and checks of the house rules."""
