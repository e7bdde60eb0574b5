"""What an end user starts: enhance, export, convert, models, assets, photographs."""
