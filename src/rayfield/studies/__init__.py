"""Experiments of the literature, one file each: figure, numbers and verdict on the claim."""
