"""State dicts of timm's `VisionTransformer` from our parameters and back, by the table of its names."""

from pathfm.errors import InputError
from pathfm.zoo.rules import misfit, read_tensors, write_tensors
from pathfm.zoo.timm import timm_rules


def from_timm(tensors, spec):
    """Our parameters, bit for bit; InputError when the tensors are another's."""
    problem = misfit({name: tensor.shape for name, tensor in tensors.items()}, spec, timm_rules(spec))
    if problem:
        raise InputError(problem)
    return read_tensors(tensors, spec, timm_rules(spec))


def to_timm(params, spec):
    return write_tensors(params, spec, timm_rules(spec))
