"""How `app.enhance` runs an enhancer."""
