"""Pictures as maps of codes, with what they are conditioned on."""
