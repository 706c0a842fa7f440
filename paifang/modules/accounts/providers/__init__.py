"""The services that people may sign in with, as the settings name them."""
