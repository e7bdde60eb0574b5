"""What an end user starts: enhance, assets, models."""
