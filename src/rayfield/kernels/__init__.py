"""Compiled CPU kernels; each has a readable twin elsewhere, named in its docstring."""
