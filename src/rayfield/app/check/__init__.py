"""The verb `check`: what is wrong with a data set, in words, in a picture, and mended in a copy."""
