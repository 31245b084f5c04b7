"""What the labels say: report, contact sheet, table, training set, Label Studio."""
