"""What slows guessing down: throttles, and proof of work that needs no third party."""
