"""Statistics over queues."""
