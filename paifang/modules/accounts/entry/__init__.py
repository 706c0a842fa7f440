"""Coming in: a session for somebody who has proved who they are, and who is calling."""
