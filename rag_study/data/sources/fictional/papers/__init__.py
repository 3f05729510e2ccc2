"""Worlds of the style `papers`: each is one short research paper, a document per section."""
