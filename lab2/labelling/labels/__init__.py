"""Labels: from a key press to a row of the label file."""
