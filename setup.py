"""The one thing that pyproject.toml cannot say: a wheel has configs/ inside the package."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["pathfm*"]), "pathfm.configs"], package_dir={"pathfm.configs": "configs"})
