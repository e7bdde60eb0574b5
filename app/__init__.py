"""The commands for end users: enhance, export, convert, models, assets, photographs."""
