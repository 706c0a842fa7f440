"""Mail as an administrator sees it: the dev inbox, and what became of every mail."""
