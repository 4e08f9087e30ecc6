import pytest
import torch
from region_fields.engine.ops.transfer import sent


class Host:
    """A tensor that says how it was sent."""

    def to(self, device: torch.device, non_blocking: bool) -> tuple[str, bool]:
        return device.type, non_blocking


@pytest.mark.parametrize(
    ("kind", "unwaited"), [("cuda", True), ("mps", False), ("xpu", False), ("cpu", False)]
)
def test_only_nvidias_and_amds_gpus_are_not_waited_for(kind, unwaited):
    assert sent(Host(), torch.device(kind)) == (kind, unwaited)
