"""Statistics over queues: requests with numbers, answers with their summary."""
