"""The losses; each returns what is to be minimised, batch mean taken."""
