"""What a program can be told: the schemas, the recipes' parser, and how a config is kept. No jax here, so that mistakes answer at once."""

from pathfm.settings import regression_terms as regression_terms  # so that its terms are known wherever settings are read
