"""The table of architectures says what the sam2 package's own configuration files say."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from region_fields.engine.sam2.architecture import ARCHITECTURES, build_network

LETTERS = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
# A part of its own, or what only compiles.
PARTS = {"image_encoder", "memory_attention", "memory_encoder", "compile_image_encoder", "_target_"}


def published(name: str, version: str) -> dict[str, Any]:
    import sam2

    folder, stem = {"2.0": ("sam2", "sam2"), "2.1": ("sam2.1", "sam2.1")}[version]
    path = Path(sam2.__file__).parent / "configs" / folder / f"{stem}_hiera_{LETTERS[name]}.yaml"
    return yaml.safe_load(path.read_text())["model"]


def filled(made: Any, given: dict[str, Any]) -> dict[str, Any]:
    """`given` and what `made` takes for all else, lists as tuples."""
    usual = {key: p.default for key, p in inspect.signature(made.__init__).parameters.items()}
    held = usual | {key: value for key, value in given.items() if not key.startswith("_")}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in held.items()}


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("name", list(LETTERS))
def test_a_network_is_built_as_its_published_configuration_says(name, version, monkeypatch):
    from sam2.modeling import sam2_base
    from sam2.modeling.backbones import hieradet

    seen: dict[str, dict[str, Any]] = {}

    def watch(module: Any, kind: str) -> None:
        made = getattr(module, kind)

        class Watched(made):
            def __init__(self, **given: Any) -> None:
                seen[kind] = filled(made, given)
                super().__init__(**(given | {"stages": (1, 1, 1, 1)} if kind == "Hiera" else given))

        monkeypatch.setattr(module, kind, Watched)

    hiera, base = hieradet.Hiera, sam2_base.SAM2Base
    watch(hieradet, "Hiera")
    watch(sam2_base, "SAM2Base")
    build_network(ARCHITECTURES[name], version)
    wanted = published(name, version)
    assert seen["Hiera"] == filled(hiera, wanted["image_encoder"]["trunk"])
    theirs = filled(base, {key: value for key, value in wanted.items() if key not in PARTS})
    ours = seen["SAM2Base"]
    # build_sam.py adds these to every configuration, whatever the size.
    assert ours.pop("sam_mask_decoder_extra_args") == {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    }
    for key in set(ours) - PARTS:
        assert ours[key] == theirs[key], key
