import os
import sys
from pathlib import Path

import pytest
import torch
from region_fields.engine.ops.chunks import give_back


def resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="only glibc gives memory back when told",
)
def test_freed_memory_goes_back_to_the_system():
    blocks = [torch.ones(1 << 14) for _ in range(2000)]
    held, last = resident(), blocks[-1]  # The last keeps the heap from shrinking by itself.
    del blocks
    give_back()
    assert held - resident() > 100e6
    assert last.sum() == 1 << 14
