"""Pictures and keys; OpenCV lives here."""
