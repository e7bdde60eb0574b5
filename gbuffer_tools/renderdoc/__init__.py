"""RenderDoc captures: replaying one, and making a frame of it."""
