"""Surfaces of what was learned as meshes a person would keep."""
