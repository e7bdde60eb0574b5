"""Running an enhancer for `app.enhance`: backends, controls, linear light."""
