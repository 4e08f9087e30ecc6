"""What PyTorch's list of operations says of each: its kernels, and whether devices may differ.

The list is native_functions.yaml, which PyTorch makes itself from and which its wheels bring along.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LIST = "packaged/ATen/native/native_functions.yaml"
_COMPOSITE = {
    "CompositeExplicitAutograd",
    "CompositeExplicitAutogradNonFunctional",
    "CompositeImplicitAutograd",
}


@dataclass(frozen=True)
class Entry:
    """One operation. keys: what it has kernels for, such as "CPU", or "Composite..." for any.

    same_device: a check before the kernel refuses tensors of other devices, zero-dimensional or
    not. delegate: the operation whose kernels it takes, or "".
    """

    keys: frozenset[str]
    same_device: bool
    delegate: str


@cache
def entries() -> dict[str, Entry]:
    """By name and overload, as in "add.Tensor"."""
    spec = find_spec("torchgen")
    assert spec is not None
    assert spec.submodule_search_locations
    text = (Path(spec.submodule_search_locations[0]) / _LIST).read_text()
    found = {}
    for part in re.split(r"^- func: ", text, flags=re.MULTILINE)[1:]:
        keys = re.findall(r"^    ([\w, ]+): \w", part, flags=re.MULTILINE)
        if "  ufunc_inner_loop:" in part:  # code is made for both from one expression
            keys += ["CPU", "CUDA"]
        delegate = re.search(r"^  structured_delegate: (\S+)", part, flags=re.MULTILINE)
        found[part[: part.index("(")]] = Entry(
            frozenset(key for some in keys for key in some.split(", ")),
            "device_check: NoCheck" not in part,
            delegate[1] if delegate else "",
        )
    return found


def has_kernel(name: str, kind: str) -> bool:
    """Whether the operation runs on "cuda" or "mps". One that is no entry is made of others."""
    keys = _keys(name)
    return not keys or kind.upper() in keys or bool(keys & _COMPOSITE)


def refuses_other_devices(name: str) -> bool:
    """Whether tensors of other devices are refused before a kernel of a device runs."""
    entry = entries().get(name)
    return entry is not None and entry.same_device and not _keys(name) <= _COMPOSITE


def _keys(name: str) -> frozenset[str]:
    entry = entries().get(name)
    if entry is None:
        return frozenset()
    return entries()[entry.delegate].keys if entry.delegate else entry.keys
