"""Several processes that share samples or tokens."""
