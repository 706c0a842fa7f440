"""Usage: what calls came to, by the hour, for charts and overviews."""
