"""What the labels say: report, contact sheet, training set."""
