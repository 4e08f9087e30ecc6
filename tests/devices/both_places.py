"""The same call on the CPU and on a pretended device."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import region_fields.engine
import torch
from pretended_device import PretendedTensor, pretended
from torch import Tensor

Put = Callable[[Any], Any]
"""Brings a tensor, or what has `to`, to the device of this run."""

_MENTIONED = ("Tensor", "Regions", "Anchor", "Sam2", "Seg", "Prompt", "device")


def assert_same(
    kind: str,
    case: Callable[[Put], Any],
    on_cpu: bool = False,
    tolerance: float = 2e-5,
    relative: float | None = None,
) -> None:
    """`case` gives on a device of `kind` what it gives on the CPU, and its tensors lie there.

    on_cpu: or on the CPU. On "mps" that is no matter, as what needs float64 goes there. tolerance:
    absolute, and relative too unless `relative` is given.
    """
    relative = tolerance if relative is None else relative
    here = list(_leaves(case(lambda value: value.clone() if isinstance(value, Tensor) else value)))
    with pretended(kind) as place:
        there = list(_leaves(case(lambda value: value.to(place))))
    assert len(there) == len(here) > 0
    for one, other in zip(there, here, strict=True):
        if not isinstance(other, Tensor):
            assert type(one) is type(other)
            assert one == other or abs(one - other) <= relative * abs(other)
            continue
        if kind != "mps":
            assert isinstance(one, PretendedTensor) != on_cpu, f"the result is on {one.device}"
        held = one.held if isinstance(one, PretendedTensor) else one
        assert (held.dtype, held.shape) == (other.dtype, other.shape)
        # Not by torch.testing: it loads PyTorch's compiler, which takes as long as all of this.
        alike = torch.isclose(held, other, rtol=relative, atol=tolerance, equal_nan=True)
        assert bool(alike.all()), f"{held[~alike]} in place of {other[~alike]}"


def _leaves(value: Any) -> Iterator[Any]:
    """Tensors, numbers and texts in what a function gives."""
    if isinstance(value, dict):
        value = list(value.items())
    elif is_dataclass(value):
        value = [getattr(value, one.name) for one in fields(value)]
    if isinstance(value, (list, tuple, Iterator)):
        for part in value:
            yield from _leaves(part)
    elif type(value).__module__ == "numpy":
        yield torch.as_tensor(value)
    elif value is not None:
        yield value


def functions_of_tensors(folder: str, deep: bool = False) -> set[str]:
    """Public functions of modules in a folder of the engine that have to do with tensors.

    folder: "" for the engine's own. deep: and the folders in it. As in "ops.blur.blur".
    """
    package = region_fields.engine
    prefix = package.__name__ + "."
    if folder:
        package = importlib.import_module(prefix + folder)
    found = set()
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.ispkg:
            inner = module.name.removeprefix(prefix)
            found |= (
                functions_of_tensors(inner, True)
                if deep and inner not in {"ops", "sam2"}
                else set()
            )
            continue
        for name, what in vars(importlib.import_module(module.name)).items():
            own = inspect.isfunction(what) and what.__module__ == module.name
            if own and name[0] != "_" and _mentions_tensors(what):
                found.add(f"{module.name.removeprefix(prefix)}.{name}")
    return found


def _mentions_tensors(function: Callable[..., Any]) -> bool:
    return any(
        word in str(note) for note in function.__annotations__.values() for word in _MENTIONED
    )


def called_by(cases: dict[str, Any]) -> set[str]:
    """The functions that cases are named after: the first word of each name."""
    return {name.split()[0] for name in cases}
