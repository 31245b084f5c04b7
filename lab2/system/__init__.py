"""What differs between Linux, macOS and Windows: one feature a module, on all three systems."""
