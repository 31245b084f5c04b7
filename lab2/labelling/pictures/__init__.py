"""Pictures: in files, in the bucket, decoded."""
