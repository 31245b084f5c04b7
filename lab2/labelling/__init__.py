"""Hot dog or not."""
