"""The denoise mask against ComfyUI's own DifferentialDiffusion, on every kind of schedule."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from comfy_server import ROOT, find_checkout

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def schedules() -> list[dict]:
    """What the host's own code frees, for six models and every scheduler, in 4 to 50 steps."""
    checkout = find_checkout()
    if isinstance(checkout, str):
        pytest.skip(checkout)
    probe = Path(__file__).parent / "denoise_steps.py"
    done = subprocess.run(
        [checkout.python, probe, checkout.folder, ROOT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_every_pixel_is_free_for_its_share_of_the_steps(schedules):
    assert len(schedules) > 400
    assert sum(case["together"] == 1 for case in schedules) > 0.97 * len(schedules)
    for case in schedules:
        for field, free in zip(case["field"], case["free"], strict=True):
            # A schedule that ends on the model's least sigma frees even a mask of 0 once.
            free -= case["zero_is_freed"] and field < 0.5 / case["steps"]
            off = 0.5 if case["together"] == 1 else case["together"]
            assert abs(free / case["steps"] - field) <= off / case["steps"] + 1e-5, case["name"]


def test_without_it_a_shifted_flow_frees_far_fewer_steps(schedules):
    plain = next(case for case in schedules if case["name"] == "flow shift 3.0, simple, 20")
    asked = dict(zip(plain["field"], plain["plain"], strict=True))
    assert [asked[f] for f in (0.25, 0.5, 0.75)] == [2, 5, 10]
