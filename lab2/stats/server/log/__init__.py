"""The request log: rows, segments, their index, and who reads them."""
