"""Getting back in: forgotten passwords, changed passwords, changed addresses."""
