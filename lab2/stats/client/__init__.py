"""The client: it asks for numbers, sends requests and shows the answers."""
