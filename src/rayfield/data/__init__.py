"""Files to batches: one loader per format, all giving the same frames."""
