"""Write the moving average of a training run as the embedded model.

python -m region_fields.tools.train_nano.export RUN/checkpoint.pt engine/sam2/nano.safetensors
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .model import INPUT, Trainee

MOST_BYTES = 10_000_000
LICENSE = "MIT"

# SAM 2's default thresholds, 0.8 of predicted IoU and 0.95 of stability, are made for networks
# whose masks are nearly right. Here they would leave two or three masks of a picture. So that they
# suit this network, 0.8 stands for an IoU of 0.4 to be expected, and masks fall off three times as
# steeply at their borders; which mask is better than which stays as trained.
RAISED_ODDS = 6.0
STEEPER = 3.0
_QUALITY = "sam_mask_decoder.iou_prediction_head.layers.2.bias"
_MASKS = "sam_mask_decoder.output_hypernetworks_mlps."
_MASK_PROMPT = "sam_prompt_encoder.mask_downscaling.0.weight"


def network_state(checkpoint: dict) -> dict[str, Tensor]:
    """The averaged weights of the network alone, under the sam2 package's own names.

    Suited to SAM 2's default thresholds.
    """
    prefix = "network."
    average = checkpoint["average"]
    return suited({k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)})


def suited(state: dict[str, Tensor], back: bool = False) -> dict[str, Tensor]:
    """Weights whose scores suit SAM 2's default thresholds, from those trained; or back.

    Predicted IoU q becomes o q / (1 - q + o q) with o = RAISED_ODDS; logits grow STEEPER times, and
    a mask given as a prompt is taken to be as steep.
    """
    raised, steeper = math.log(RAISED_ODDS), STEEPER
    if back:
        raised, steeper = -raised, 1 / steeper

    def changed(name: str, value: Tensor) -> Tensor:
        if name == _QUALITY:
            return value + raised
        if name == _MASK_PROMPT:
            return value / steeper
        last = name.startswith(_MASKS) and ".layers.2." in name
        return value * steeper if last else value

    return {name: changed(name, value) for name, value in state.items()}


def exported_steps(path: Path) -> int:
    """The steps that an exported file was trained for."""
    with safe_open(path, "pt") as file:
        return int(file.metadata()["training_steps"])


def export(checkpoint: dict, path: Path) -> int:
    """Write float16 safetensors to `path`, whole or not at all. Returns its size in bytes."""
    expected = Trainee().network.state_dict()
    state = network_state(checkpoint)
    if state.keys() != expected.keys():
        raise ValueError("The checkpoint is of another architecture than nano is now.")
    half = {name: value.to(torch.float16).contiguous().cpu() for name, value in state.items()}
    if not all(torch.isfinite(value).all() for value in half.values()):
        raise ValueError("Some weights are not finite in float16.")
    metadata = {
        "format": "pt",
        "architecture": "sam2-nano",
        "version": "2.1",
        "image_size": str(INPUT),
        "training_steps": str(checkpoint["step"] + checkpoint["earlier"]),
        "seed": str(checkpoint["seed"]),
        "license": LICENSE,
        "trained_by": "tools/train_nano of Region Fields, on procedural scenes only",
    }
    draft = path.with_suffix(".part")
    save_file(half, draft, metadata)
    size = draft.stat().st_size
    if size > MOST_BYTES:
        draft.unlink()
        raise ValueError(f"{size} bytes, more than the {MOST_BYTES} the repository accepts.")
    os.replace(draft, path)
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    checkpoint = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    size = export(checkpoint, options.out)
    print(f"{options.out}: {size} bytes after {exported_steps(options.out)} steps")


if __name__ == "__main__":
    main()
