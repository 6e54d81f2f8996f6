"""Versioned prompts. A file is immutable once released; version and sha256 go into every record."""
