"""Quantiles against numpy, ranks against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops.quantile import quantile, ranks
from scipy.stats import rankdata

VALUES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40)


@given(VALUES, st.floats(0, 1))
def test_a_quantile_is_that_of_numpy(values, q):
    wanted = np.quantile(np.array(values, np.float64), q)
    assert quantile(torch.tensor(values), q) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@pytest.mark.slow
def test_a_quantile_of_more_than_sixteen_million_values_is_found():
    values = torch.arange((1 << 24) + 9, dtype=torch.float64).flip(0)
    assert quantile(values, 0.25) == pytest.approx(((1 << 24) + 8) / 4)


@given(VALUES)
def test_ranks_are_average_ranks_brought_to_zero_and_one(values):
    place = rankdata(values)
    span = place.max() - place.min()
    wanted = (place - place.min()) / span if span else place * 0
    np.testing.assert_allclose(ranks(torch.tensor(values)), wanted, atol=1e-6)
