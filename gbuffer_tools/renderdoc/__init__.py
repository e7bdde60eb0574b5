"""RenderDoc captures: replaying one, and making a frame from it."""
