"""Which models of the zoo were seen with the weights that their publishers give out, by `pathfm verify`."""

VERIFIED: dict[str, str] = {}
"""Model → the SHA-256 of the file, and when and by which libraries it was seen. The others are known by their publishers' code, and by the
same features and gradients as their publishers' classes under random weights.
"""
