"""System: pages over the tables of core."""
