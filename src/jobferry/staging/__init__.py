"""Files on their way."""
