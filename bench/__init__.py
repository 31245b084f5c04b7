"""What the programs cost and how fast they are, beside simpler ones."""
