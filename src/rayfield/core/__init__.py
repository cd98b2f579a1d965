"""What every part speaks: records, conventions, errors."""
