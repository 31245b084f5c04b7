"""S3: an object that many writers append to, and keys that may be missing."""
