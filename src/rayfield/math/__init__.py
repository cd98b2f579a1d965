"""Pure tensor functions: no modules, no files, randomness passed in."""
