"""How much of the image the regions cover, and covering all of it."""

from .ask_again import Segmenter
from .fill import FILL_METHODS, OVERLAP_WINNERS, fill_coverage
from .measure import Coverage, gap_points, measure_coverage

__all__ = [
    "FILL_METHODS",
    "OVERLAP_WINNERS",
    "Coverage",
    "Segmenter",
    "fill_coverage",
    "gap_points",
    "measure_coverage",
]
