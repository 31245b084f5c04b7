"""From a file's bytes to pixels, in a process of its own."""
