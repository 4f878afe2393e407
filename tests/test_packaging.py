"""What an installed pathfm needs beside its modules is named where the wheel is made; nothing is built here."""

import ast
import tomllib
from pathlib import Path

from pathfm.settings.command_line import PACKAGE, shipped

ROOT = PACKAGE.parent


def test_the_recipes_beside_the_package_are_shipped_inside_it():
    setup = next(
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text()).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    arguments = {keyword.arg: keyword.value for keyword in setup.keywords}
    assert ast.literal_eval(arguments["package_dir"]) == {"pathfm.configs": "configs"}
    assert "pathfm.configs" in [leaf.value for leaf in ast.walk(arguments["packages"]) if isinstance(leaf, ast.Constant)]
    assert {path.parent for path in shipped().values()} == {ROOT / "configs"}


def test_every_file_of_the_package_that_is_no_module_is_named_as_its_data():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    data = {path for package, patterns in named.items() for pattern in patterns for path in Path(ROOT, *package.split(".")).glob(pattern)}
    assert data == {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert {path.suffix for path in data} >= {".html", ".gmt", ".xz"}
