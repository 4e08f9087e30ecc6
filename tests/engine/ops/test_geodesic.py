"""Labels along cheapest paths, against scikit-image's minimum cost paths."""

import numpy as np
import pytest
import torch
from region_fields.engine import InputError
from region_fields.engine.ops.colour import srgb_to_oklab
from region_fields.engine.ops.geodesic import oklab_planes, spread_labels
from scipy.ndimage import gaussian_filter
from skimage.graph import MCP_Geometric


def terrain(seed: int, size=(60, 80)) -> tuple[np.ndarray, np.ndarray]:
    """Seeds of five labels, and a cost with ridges."""
    rng = np.random.default_rng(seed)
    cost = 1 + 60 * np.abs(gaussian_filter(rng.normal(size=size), 2)) ** 2
    labels = np.zeros(size, np.int32)
    for label in range(1, 6):
        y, x = rng.integers(0, size[0] - 4), rng.integers(0, size[1] - 4)
        labels[y : y + 3, x : x + 3] = label
    return labels, np.round(cost * 16) / 16


@pytest.mark.parametrize("seed", range(4))
def test_costs_and_labels_are_those_of_minimum_cost_paths(seed):
    labels, cost = terrain(seed)
    found, paid = spread_labels(torch.from_numpy(labels), torch.from_numpy(cost))
    by_label = []
    for label in range(1, 6):
        seeds = np.argwhere(labels == label)
        by_label.append(MCP_Geometric(cost).find_costs(seeds)[0])
    inside, outside = labels > 0, labels == 0
    wanted = np.min(by_label, axis=0)
    np.testing.assert_allclose(paid.numpy()[outside], wanted[outside], rtol=2e-4)
    own = np.take_along_axis(np.stack(by_label), found.numpy()[None].astype(int) - 1, 0)[0]
    np.testing.assert_allclose(own[outside], wanted[outside], rtol=2e-4)
    np.testing.assert_array_equal(found.numpy()[inside], labels[inside])


def test_labels_go_round_a_wall_rather_than_through_it():
    cost = torch.ones(7, 9)
    cost[:6, 4] = 1000
    labels = torch.zeros((7, 9), dtype=torch.int32)
    labels[0, 3], labels[0, 8] = 1, 2
    found, _ = spread_labels(labels, cost)
    assert (found[:, :4] == 1).all()
    assert (found[0, 5:] == 2).all()
    assert found[6, 4] == 1


def test_in_a_maze_every_cell_is_reached_by_its_only_way():
    cost = torch.full((9, 9), 4000.0)
    cost[::2] = 1
    cost[1, 8] = cost[3, 0] = cost[5, 8] = cost[7, 0] = 1
    labels = torch.zeros((9, 9), dtype=torch.int32)
    labels[0, 0] = 7
    found, paid = spread_labels(labels, cost)
    assert (found == 7).all()
    wanted = MCP_Geometric(cost.numpy()).find_costs([(0, 0)])[0]
    np.testing.assert_allclose(paid.numpy(), wanted, rtol=2e-4)


def test_of_equally_cheap_labels_the_lowest_wins():
    labels = torch.tensor([[5, 0, 3]], dtype=torch.int32)
    assert spread_labels(labels, torch.ones(1, 3))[0].tolist() == [[5, 3, 3]]


def test_without_labels_nothing_is_reached():
    found, paid = spread_labels(torch.zeros((3, 4), dtype=torch.int32), torch.ones(3, 4))
    assert not found.any()
    assert torch.isinf(paid).all()


def test_inputs_are_not_written():
    labels, cost = (torch.from_numpy(part) for part in terrain(1))
    copies = labels.clone(), cost.clone()
    spread_labels(labels, cost)
    assert torch.equal(labels, copies[0])
    assert torch.equal(cost, copies[1])


def test_progress_ends_with_all_rows_settled():
    labels, cost = (torch.from_numpy(part) for part in terrain(2))
    calls = []
    spread_labels(labels, cost, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (60, 60)


def test_a_label_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="labels below"):
        spread_labels(torch.full((2, 2), 1 << 20), torch.ones(2, 2))


def test_oklab_planes_are_the_oklab_of_the_image():
    image = torch.rand((700, 500, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(oklab_planes(image), srgb_to_oklab(image[..., :3]).movedim(-1, 0))
