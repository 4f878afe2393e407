"""Rules over parameter names: first match wins, a rule that does nothing is a mistake."""

import pytest

from pathfm.errors import InputError
from pathfm.training.rules import matched, names, parsed

TREE = {"image": {"blocks_0": {"kernel": 1.0, "bias": 2.0}}, "head": {"kernel": 3.0}}


def test_names_are_paths():
    assert names(TREE)["image"]["blocks_0"]["bias"] == "image/blocks_0/bias"


def test_the_first_match_wins():
    found = matched(TREE, [(r"image/.*/bias", 0.1), (r"image/.*", 0.5)], 1.0)
    assert found == {"image": {"blocks_0": {"kernel": 0.5, "bias": 0.1}}, "head": {"kernel": 1.0}}


def test_a_rule_without_a_parameter_is_refused():
    with pytest.raises(InputError, match="matches no parameter"):
        matched(TREE, [("imaeg/.*", 0.0)], 1.0)


def test_what_is_no_expression_is_refused():
    with pytest.raises(InputError, match="not a regular expression"):
        matched(TREE, [("image/(", 0.0)], 1.0)
    with pytest.raises(InputError, match="FACTOR"):
        parsed(["image/.*"])
