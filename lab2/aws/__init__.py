"""AWS, and nothing of our two jobs."""
