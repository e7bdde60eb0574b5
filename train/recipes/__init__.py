"""The recipe of each training command: its state, loss terms and step."""
