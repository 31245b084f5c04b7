"""Decoding: from the bytes of a file to pixels, in a process of its own."""
