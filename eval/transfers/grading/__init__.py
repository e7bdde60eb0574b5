"""A fixed grade, as post-processing shaders apply it: colours, tone, vignette, sharpness, grain."""
