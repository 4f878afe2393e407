"""Readers of what others publish: barcodes, tables in every dialect, sheets and counts of the GDC, clinical tables, mutation calls."""
