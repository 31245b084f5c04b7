"""The asking side."""
