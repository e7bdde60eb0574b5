"""Fetching third-party files for `app.assets`."""
