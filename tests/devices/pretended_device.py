"""A device other than the CPU, pretended where there is none.

A tensor of that device holds one of the CPU, on which everything is computed, so results have
values; to Python it says that it lies on `cuda:0` or `mps:0`, so code that looks at the device
takes the paths it takes there. (C++ is told `meta`: on `cuda` it would look for a driver.)
Operations that PyTorch refuses on such a device are refused, those that mix devices above all.
PyTorch's own FakeTensorMode knows these rules as well, but its tensors have no values.

PyTorch's list of operations says which have a kernel for the device and which check devices before
it (`torch_rules`). The others take one zero-dimensional tensor of the CPU (TensorIterator.cpp,
`allow_cpu_scalars`; lerp takes none, `where` three), and indices from the CPU (`make_info` in
TensorAdvancedIndexing.cpp). Copies go across. Memory that was asked for without values holds what
no computation gives: NaN, or the largest number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch_rules import has_kernel, refuses_other_devices

aten = torch.ops.aten

CPU = torch.device("cpu")
TOLD_TO_CPP = torch.device("meta")

_ACROSS = {aten.copy_.default, aten._to_copy.default}
_INDEXED = {"index", "_unsafe_index", "index_put", "_index_put_impl"}
_VALUES = {  # arguments that are brought along where they have no dimension
    "fill": ("value",),
    "masked_fill": ("value",),
    "index_fill": ("value",),
    "index_put": ("values",),
    "_index_put_impl": ("values",),
    "where": ("condition", "self", "other"),
}
_NO_SCALARS = {"lerp", "cat"}
_WITHOUT_VALUES = {"empty", "empty_like", "empty_strided", "new_empty"}


class PretendedTensor(Tensor):
    """A tensor of the pretended device.

    held: the tensor of the CPU that has its values.
    """

    held: Tensor
    _place: torch.device

    @staticmethod
    def __new__(cls, held: Tensor, place: torch.device) -> PretendedTensor:
        if place.type == "mps" and held.dtype in (torch.float64, torch.complex128):
            raise TypeError("Cannot convert a MPS Tensor to float64: the framework has none.")
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=TOLD_TO_CPP,
        )
        made.held, made._place = held, place
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = _tensors((*args, *(kwargs or {}).values()))
        place = next(x._place for x in given if isinstance(x, cls))
        return _run(func, args, kwargs or {}, place)

    @property
    def device(self) -> torch.device:
        return self._place

    @property
    def is_cuda(self) -> bool:
        return self._place.type == "cuda"

    @property
    def is_mps(self) -> bool:
        return self._place.type == "mps"

    is_meta = is_cpu = False

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.cpu().numpy()
        raise TypeError(
            f"can't convert {self._place} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def cpu(self, *_: Any, **__: Any) -> Tensor:
        return self.held.clone()

    def tolist(self) -> Any:
        return self.held.tolist()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> PretendedTensor:
        return memo.setdefault(id(self), PretendedTensor(self.held.clone(), self._place))

    def __repr__(self, **_: Any) -> str:
        return f"PretendedTensor({self.held!r}, device='{self._place}')"


@contextmanager
def pretended(kind: str) -> Iterator[torch.device]:
    """There is a device of `kind`, "cuda" or "mps", whose number is 0; yields it.

    PyTorch says each of its warnings every time, so that no test hides another's.
    """
    place = torch.device(kind, 0)
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with _Calls(place), _Operations(place), torch.no_grad():
            yield place
    finally:
        torch.set_warn_always(before)


class _Operations(TorchDispatchMode):
    """Every operation of PyTorch's that has code of its own on a device."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """To say that nothing here is to be compiled would load the compiler, for seconds."""
        return False

    def __init__(self, place: torch.device) -> None:
        super().__init__()
        self._place = place

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self._place)


class _Calls(TorchFunctionMode):
    """Calls from Python that name a device, before PyTorch looks for its driver."""

    def __init__(self, place: torch.device) -> None:
        super().__init__()
        self._place = place

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.to:
            return self._to(*args, **kwargs)
        if func is Tensor.cuda:
            return self._to(args[0], self._place)
        if args and isinstance(args[0], PretendedTensor):
            if func is Tensor.new_tensor:
                kwargs = {"dtype": args[0].dtype, "device": args[0].device} | kwargs
                return self.__torch_function__(torch.tensor, types, args[1:], kwargs)
            if func in (Tensor.__getitem__, Tensor.__setitem__):
                args = (args[0], _without_lists(args[1]), *args[2:])
        if not self._is_named_by(kwargs.get("device")):
            return func(*args, **kwargs)
        kwargs["device"] = CPU
        if func is torch.as_tensor and isinstance(args[0], PretendedTensor):
            return self._to(args[0], self._place, kwargs.get("dtype"))
        made = func(*_each(_held, args), **kwargs)
        return PretendedTensor(_without_values(func.__name__, made.clone()), self._place)

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        copy = kwargs.pop("copy", False)
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        device, dtype, _, order = torch._C._nn._parse_to(*args, **kwargs)
        device, dtype = tensor.device if device is None else device, dtype or tensor.dtype
        stays = tensor.device == (self._place if self._is_named_by(device) else device)
        if stays and dtype == tensor.dtype and not copy:
            return tensor
        made = torch.ops.aten._to_copy.default(tensor, dtype=dtype, device=device)
        return made if order is None else made.contiguous(memory_format=order)

    def _is_named_by(self, device: Any) -> bool:
        return device is not None and torch.device(device).type == self._place.type


def _without_lists(index: Any) -> Any:
    """Tensors in place of lists in an index: C++ would make them where it takes the other to be."""
    if isinstance(index, tuple):
        return tuple(_without_lists(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _run(func: Any, args: Any, kwargs: Any, place: torch.device) -> Any:
    """What an operation gives on the pretended device, or on the CPU where it belongs there."""
    given = _tensors((*args, *kwargs.values()))
    wrappers = {id(x.held): x for x in given if isinstance(x, PretendedTensor)}
    assert all(x.device.type != TOLD_TO_CPP.type for x in given if type(x) is Tensor), func
    away = bool(wrappers)
    if away and len(wrappers) < len(given) and func not in _ACROSS:
        _refuse_mixing(func, args, kwargs)
    if kwargs.get("device") is not None:
        away = kwargs["device"].type in (TOLD_TO_CPP.type, place.type)
        kwargs = {**kwargs, "device": CPU}
    if away and not has_kernel(_name(func), place.type):
        raise NotImplementedError(f"{func} is not currently implemented for {place.type}.")
    out = func(*_each(_held, args), **{name: _each(_held, x) for name, x in kwargs.items()})
    for wrapper in wrappers.values():
        assert wrapper.shape == wrapper.held.shape, f"{func} changes a shape in place"
    if func._schema.is_mutable:
        return _each(lambda x: wrappers.get(id(x), x), out)
    if not away:
        return out
    if func is aten._to_copy.default and any(out is x for x in given):
        out = out.clone()
    filled = _without_values(func._schema.name, out)
    return _each(lambda x: PretendedTensor(x, place) if isinstance(x, Tensor) else x, filled)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, PretendedTensor) else value


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """`change` of each item of nested lists and tuples."""
    if isinstance(value, (list, tuple)):
        return type(value)([_each(change, item) for item in value])
    return change(value)


def _tensors(values: Any) -> list[Tensor]:
    """The tensors in nested lists and tuples."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


def _refuse_mixing(func: Any, args: Any, kwargs: Any) -> None:
    """Raise RuntimeError where PyTorch would, for tensors of which one is on the device."""
    kind = func._schema.name.removeprefix("aten::").rstrip("_")
    named = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
    if kind in _INDEXED:
        there = isinstance(named["self"], PretendedTensor)
        if any(isinstance(i, PretendedTensor) and not there for i in named.pop("indices")):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
    free = _VALUES.get(kind, ())
    tensors = [
        (name, x)
        for name, value in named.items()
        for x in _tensors([value])
        if not (name in free and x.ndim == 0)
    ]
    here = [(name, x) for name, x in tensors if not isinstance(x, PretendedTensor)]
    if len(here) in (0, len(tensors)):
        return
    written = {a.name for a in func._schema.arguments if a.is_write}
    strict = refuses_other_devices(_name(func)) or kind in _NO_SCALARS
    if not strict and len(here) == 1 and here[0][1].ndim == 0 and here[0][0] not in written:
        return
    raise RuntimeError(
        f"Expected all tensors to be on the same device, but {func} got "
        + ", ".join(f"{name} {tuple(x.shape)} on {x.device}" for name, x in tensors)
    )


def _name(func: Any) -> str:
    """The operation as PyTorch's list calls it: "add.Tensor", "nonzero"."""
    overload = func._schema.overload_name
    return func._schema.name.removeprefix("aten::") + (f".{overload}" if overload else "")


def _without_values(name: str, made: Any) -> Any:
    """`made`, filled with what no computation gives if its memory was only asked for."""
    if name.removeprefix("aten::") not in _WITHOUT_VALUES:
        return made
    if made.dtype == torch.bool:
        return made.fill_(True)
    if made.dtype.is_floating_point:
        return made.fill_(torch.nan)
    return made.fill_(torch.iinfo(made.dtype).max)
