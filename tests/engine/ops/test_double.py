"""float64 only where there is any."""

from __future__ import annotations

import torch
from region_fields.engine.curve import curve_field
from region_fields.engine.ops import double
from region_fields.engine.ops.quantile import ranks
from region_fields.engine.sampling import denoise_mask
from torch.utils._python_dispatch import TorchDispatchMode


class NoDouble(TorchDispatchMode):
    """Counts float64 results as large as a field, which a device without float64 would refuse."""

    def __init__(self):
        super().__init__()
        self.made = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.made += result.dtype == torch.float64 and result.numel() > 8
        return result


def test_every_float64_of_a_field_comes_from_one_place(monkeypatch):
    """With `as_double` made to leave float32, no field in a table's curve, rank or mask is."""
    for module in ("ops.curve", "ops.quantile", "sampling"):
        name = f"region_fields.engine.{module}.as_double"
        monkeypatch.setattr(name, lambda values: values.to(torch.float32))
    assert double.as_double(torch.ones(2)).dtype == torch.float64
    field = torch.rand(1, 6, 7)
    with NoDouble() as seen:
        curve_field(field, table=[0.0, 0.5, 0.2])
        ranks(field.flatten())
        denoise_mask(field, torch.tensor([1.0, 0.6, 0.2]))
    assert seen.made == 0
