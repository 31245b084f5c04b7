"""AWS, as both the statistics and the labelling use it."""
