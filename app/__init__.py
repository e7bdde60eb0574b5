"""The commands for end users: enhance, compare, upscale, sample, convert, export, assets, models, photographs, ..."""
