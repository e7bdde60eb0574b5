"""Measures on trial: what they say about pictures for which the answer is known."""
