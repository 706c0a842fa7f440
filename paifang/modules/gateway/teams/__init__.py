"""Teams: the people of a group, who invites them, and who answers for it."""
