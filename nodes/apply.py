"""Composite by Field."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..engine import composite
from ..engine.apply import SPACES
from .inputs import choice, field_input
from .types import for_user, for_work, named


class CompositeByField(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RegionFields_CompositeByField",
            display_name="Composite by Field",
            category="region fields/apply",
            description=(
                "Mixes two pictures by a strength field: the base where it is 0, bit for bit, and "
                "the effect where it is 1."
            ),
            search_aliases=["blend", "mask composite", "mix images", "apply mask", "layer"],
            inputs=[
                io.Image.Input("base", tooltip="What shows where the field is 0."),
                io.Image.Input("effect", tooltip="What shows where the field is 1."),
                field_input(),
                choice(
                    "space",
                    SPACES,
                    "Where colours mix. linear: as light does. srgb: as stored, like most "
                    "editors. oklab: evenly for the eye.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The mixed picture.")],
        )

    @classmethod
    @named
    def execute(cls, base: Tensor, effect: Tensor, field: Tensor, space: str) -> io.NodeOutput:
        mixed = composite(for_work(base), for_work(effect), for_work(field), space)
        return io.NodeOutput(for_user(mixed))
