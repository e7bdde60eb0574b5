"""How large pictures become the small ones that upscalers learn from. Every picture has its own random draws."""
