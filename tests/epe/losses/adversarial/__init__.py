"""Losses: closed forms, gradients against finite differences, independence of the batch."""
