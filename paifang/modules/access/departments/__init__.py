"""Departments: the tree that people, and what is theirs, belong to."""
