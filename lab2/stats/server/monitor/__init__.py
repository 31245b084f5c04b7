"""What the server and its queues look like from outside."""
