"""Nouns: frozen data, no IO."""
