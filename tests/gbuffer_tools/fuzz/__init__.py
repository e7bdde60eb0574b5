"""Damaged files for every reader: either it reads, or it says in one line why not. See __main__.py."""
