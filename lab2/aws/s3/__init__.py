"""S3: one object that many append to, and keys that may be missing."""
