"""How `app.assets` comes by files of others."""
