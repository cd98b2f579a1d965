"""The command line: its words, its display, its answers."""
