"""Python functions that run over there: called, swept over parameters, or handed to an executor."""
