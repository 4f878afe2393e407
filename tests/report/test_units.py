"""Whose hospital is known, from whatever an evaluation has predicted."""

from types import SimpleNamespace

import pandas as pd

from pathfm.report.units import known_sites


def test_an_evaluation_of_expression_alone_has_no_predicted_labels():
    nothing = pd.DataFrame({"patient": [], "site": []}, dtype=object)
    obs = pd.DataFrame({"patient": ["A", "B", "A"], "site": ["X", "", "X"]})
    alone = SimpleNamespace(predictions=nothing, expression=SimpleNamespace(obs=obs))
    assert known_sites([alone]) == {"A": "X"}
    assert known_sites([SimpleNamespace(predictions=nothing, expression=None)]) == {}
