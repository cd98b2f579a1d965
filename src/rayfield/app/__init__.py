"""The command line and the verbs behind it."""
