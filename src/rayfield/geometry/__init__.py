"""Discrete geometry that takes callables: extraction, meshes, mesh files."""
