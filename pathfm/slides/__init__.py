"""Whole-slide images in, tile records out."""
