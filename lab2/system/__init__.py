"""What differs between Linux, macOS and Windows: each module has the way of each."""
