"""The sam2 package's own predictor as the oracle, and networks with random weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from region_fields.engine.sam2.architecture import ARCHITECTURES, build_network
from region_fields.engine.sam2.model import Sam2


@pytest.fixture(scope="session")
def make_random() -> Callable[..., Sam2]:
    """make_random(name, version, image_size): a network of random weights that sees its input."""

    def make(name: str = "nano", version: str = "2.1", image_size: int | None = None) -> Sam2:
        architecture = ARCHITECTURES[name]
        if image_size is not None:
            architecture = replace(architecture, image_size=image_size)
        torch.manual_seed(7)
        network = build_network(architecture, version)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return Sam2(network, architecture, version)

    return make


@pytest.fixture(scope="session")
def random_sam2(make_random: Callable[..., Sam2]) -> Sam2:
    """A nano-sized network with random weights."""
    return make_random()


@pytest.fixture(scope="session")
def reference_predictor():
    """reference_predictor(model, image): the sam2 package's predictor with the image set.

    image: float (H, W, 3) that came from eight bits. The sizes that the predictor holds for
    1024-pixel networks are set to the network's own.
    """

    def make(model: Sam2, image: torch.Tensor):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from sam2.sam2_image_predictor import SAM2ImagePredictor

            predictor = SAM2ImagePredictor(model.network)
        side = model.image_size
        predictor._bb_feat_sizes = [(side // stride, side // stride) for stride in (4, 8, 16)]
        predictor.set_image((image * 255).round().to(torch.uint8).numpy())
        return predictor

    return make


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """torch.set_num_threads, undone at the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
