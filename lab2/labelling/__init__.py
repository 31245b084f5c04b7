"""Hot dog or not: pictures, the labels that people give them, and what the labels say."""
