"""Make the README's picture from what `make demo` wrote.

python -m region_fields.tools.result_picture demo_out
"""

from __future__ import annotations

import argparse
from pathlib import Path

from region_fields.demo import read_scene
from region_fields.engine.files import load_regions, read_image, write_image
from region_fields.engine.preview import contact_sheet, draw_regions

OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "result.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="the folder that region-fields demo wrote")
    given = parser.parse_args()
    day = read_scene().day
    pictures = [
        ("a picture", day),
        ("its regions", draw_regions(day, load_regions(given.demo / "regions"))),
        ("a strength field", read_image(given.demo / "field_map.png")),
        ("dusk, by that field", read_image(given.demo / "composite.png")),
    ]
    write_image(OUT, contact_sheet(pictures, columns=2, width=560))


if __name__ == "__main__":
    main()
