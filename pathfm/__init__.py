"""pathfm: enhance pathology foundation models with transcriptomics, and show whether it helped."""

__version__ = "0.1.0"
