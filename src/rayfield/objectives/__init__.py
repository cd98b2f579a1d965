"""Objectives: tensors to named, unweighted terms."""
