"""Folders that programs leave: where each thing lies in them, how it is written and read, and whether they are finished. No jax here."""
