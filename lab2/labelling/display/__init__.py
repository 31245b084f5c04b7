"""Showing pictures and taking answers: in a window, by OpenCV, or in the terminal; what is drawn."""
