"""Why a person can or can't do something: the same functions that decide, asked to tell."""
