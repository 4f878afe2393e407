"""Has the functions of `tests/shapes.py` check the arrays that they take and give, wherever they have been imported."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from functools import wraps
from typing import Any, NamedTuple

import jax
from beartype import beartype
from jaxtyping import jaxtyped

from tests.shapes import SHAPES

PACKAGES = ("models", "objectives", "probes")


class Place(NamedTuple):
    """Where a function stands: `vars(owner)[attribute]` is `member`, a function or what wraps one; `name` is its key in SHAPES."""

    owner: Any
    attribute: str
    name: str
    member: Any


def places() -> Iterator[Place]:
    """Of all public functions, methods and constructors that have arrays in their signature, those without a body left out."""
    for package in PACKAGES:
        top = importlib.import_module(f"pathfm.{package}")
        modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(top.__path__, f"{top.__name__}.")]
        for module in modules:
            short = module.__name__.removeprefix("pathfm.")
            for name, value in list(vars(module).items()):
                if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                    continue
                if not inspect.isclass(value):
                    found = [Place(module, name, f"{short}.{name}", value)]
                elif getattr(value, "_is_protocol", False):
                    found = []
                else:
                    found = [Place(value, inner, f"{short}.{name}.{inner}", member) for inner, member in list(vars(value).items())]
                yield from (place for place in found if _is_public(place.attribute) and arrays_of(place.member))


def arrays_of(member: Any) -> set[str]:
    """The parameters of a function that are arrays, and "returns" where it gives one."""
    function = inspect.unwrap(_function(member))
    if not inspect.isfunction(function) or getattr(function, "__isabstractmethod__", False):
        return set()
    signature = inspect.signature(function)
    annotations = {name: parameter.annotation for name, parameter in signature.parameters.items()} | {
        "returns": signature.return_annotation
    }
    return {name for name, annotation in annotations.items() if any(word in str(annotation) for word in ("Array", "ndarray"))}


def check_all() -> None:
    """From here on a wrong shape or type raises jaxtyping's TypeCheckError."""
    for owner, attribute, name, member in list(places()):
        checked = _rewrapped(member, SHAPES[name])
        setattr(owner, attribute, checked)
        if inspect.ismodule(owner):
            for module in [module for word, module in sys.modules.items() if word.startswith(("pathfm", "tests"))]:
                for other in [other for other, value in vars(module).items() if value is member]:
                    setattr(module, other, checked)


def checked(function: Any, shapes: dict[str, Any]) -> Any:
    """`function` with its arguments and result held against `shapes`; what these do not name may be anything."""
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=shapes.get(name, Any)) for name, parameter in signature.parameters.items()]

    @wraps(function)
    def call(*arguments, **named):
        return function(*arguments, **named)

    call.__signature__ = signature.replace(parameters=parameters, return_annotation=shapes.get("returns", Any))
    return jaxtyped(call, typechecker=beartype)


def _is_public(attribute: str) -> bool:
    return not attribute.startswith("_") or attribute in ("__init__", "__call__")


def _function(member: Any) -> Any:
    for kind, inner in ((property, "fget"), (classmethod, "__func__"), (jax.custom_vjp, "fun")):
        if isinstance(member, kind):
            return getattr(member, inner)
    return member


def _rewrapped(member: Any, shapes: dict[str, Any]) -> Any:
    function = checked(_function(member), shapes)
    if isinstance(member, jax.custom_vjp):
        member.fun = function
        return member
    return type(member)(function) if isinstance(member, property | classmethod) else function
