"""Pictures of regions and fields, for a person to judge them by."""

from .draw import (
    colour_labels,
    contact_sheet,
    draw_field,
    draw_regions,
    ids_map,
    strengths_at,
    topmost,
)

__all__ = [
    "colour_labels",
    "contact_sheet",
    "draw_field",
    "draw_regions",
    "ids_map",
    "strengths_at",
    "topmost",
]
