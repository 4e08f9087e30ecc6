"""Short ways to declare the inputs that many nodes share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..engine.ops.falloff import FALLOFFS

NEAR_IS = ("auto", "white", "black")
LARGEST_SIDE = 16384.0
FIELD_TOOLTIP = "The strength at each pixel, 0 to 1. It is a plain MASK: any node takes it."


def choice(id: str, options: Iterable[str], tooltip: str, **more: Any) -> io.Combo.Input:
    """One of several words; the first is the default."""
    return io.Combo.Input(id, options=list(options), tooltip=tooltip, **more)


def number(
    id: str, default: float, low: float, high: float, step: float, tooltip: str, **more: Any
) -> io.Float.Input:
    """A number from `low` to `high`."""
    return io.Float.Input(
        id, default=default, min=low, max=high, step=step, round=0.0001, tooltip=tooltip, **more
    )


def unit(id: str, default: float, tooltip: str, **more: Any) -> io.Float.Input:
    """A number from 0 to 1."""
    return number(id, default, 0.0, 1.0, 0.01, tooltip, **more)


def pixels(id: str, default: float, tooltip: str, **more: Any) -> io.Float.Input:
    """A length in pixels, or in % where the node lets the user say so."""
    return number(id, default, 0.0, LARGEST_SIDE, 1.0, tooltip, **more)


def whole(id: str, default: int, low: int, high: int, tooltip: str, **more: Any) -> io.Int.Input:
    """A whole number from `low` to `high`."""
    return io.Int.Input(id, default=default, min=low, max=high, tooltip=tooltip, **more)


def switch(id: str, tooltip: str, default: bool = False, **more: Any) -> io.Boolean.Input:
    return io.Boolean.Input(id, default=default, tooltip=tooltip, **more)


def text(id: str, tooltip: str, default: str = "", **more: Any) -> io.String.Input:
    return io.String.Input(id, default=default, tooltip=tooltip, **more)


def falloff_inputs() -> list[io.Input]:
    """How strength rises along a ramp, as every source of fields lets the user choose."""
    return [
        choice("falloff", FALLOFFS, "The shape of the ramp from none to full."),
        number(
            "gamma",
            1.0,
            0.05,
            20.0,
            0.05,
            "Strength = ramp ^ gamma: above 1 lowers what lies between none and full, below 1 "
            "raises it. The gamma of Grade by Field goes the other way.",
            advanced=True,
        ),
        switch("invert", "Full strength becomes none, and none full."),
    ]


def field_input(id: str = "field", tooltip: str = "A strength field or any mask.") -> io.Mask.Input:
    return io.Mask.Input(id, tooltip=tooltip)


def field_output() -> io.Mask.Output:
    return io.Mask.Output(display_name="field", tooltip=FIELD_TOOLTIP)


def fields_input(tooltip: str, each: str, least: int, most: int) -> io.Autogrow.Input:
    """A list of fields that grows as they are connected; `fields_in_order` reads it."""
    template = io.Autogrow.TemplatePrefix(
        io.Mask.Input("field", tooltip=each), prefix="field", min=least, max=most
    )
    return io.Autogrow.Input("fields", template=template, tooltip=tooltip)


def fields_in_order(fields: dict[str, Tensor]) -> list[Tensor]:
    """What came through `fields_input`: field0, field1, ..., field10 by their numbers."""
    return [fields[name] for name in sorted(fields, key=lambda name: int(name[len("field") :]))]


def depth_input(tooltip: str, optional: bool = False) -> io.MultiType.Input:
    """Depth in any form that core's nodes give."""
    return io.MultiType.Input(
        "depth",
        [io.Image, io.Mask, io.Custom("DA3_GEOMETRY"), io.Custom("MOGE_GEOMETRY")],
        optional=optional,
        tooltip=tooltip,
    )


def edge_contrast_input(default: float) -> io.Float.Input:
    return number(
        "edge_contrast",
        default,
        0.001,
        1,
        0.005,
        "Weaker edges than this don't count; in Oklab, where black to white is 1.",
    )


def near_is_input(**more: Any) -> io.Combo.Input:
    return choice(
        "near_is",
        NEAR_IS,
        "How depth draws what is near. auto: black for geometry, white for pictures and masks, as "
        "nearly all depth nodes draw them. Set it where yours is the other way round.",
        **more,
    )


def text_lines(texts: list[str]) -> list[str]:
    """A list of texts, or the lines of the only one."""
    return texts if len(texts) != 1 else texts[0].strip().splitlines()


def lines(meanings: dict[str, str]) -> str:
    """Options and what they mean, a line each, for a tooltip."""
    return "\n".join(f"{name}: {meaning}" for name, meaning in meanings.items())
