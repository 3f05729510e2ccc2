"""Worlds of the style `biomedical`: each is three abstracts that belong together."""
