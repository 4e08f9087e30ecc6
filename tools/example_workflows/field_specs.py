"""The example workflows about strength: depth of field, graded inpainting, day to dusk."""

from __future__ import annotations

from specs import DEPTH, PHOTO, Node, Workflow, load_photo, load_sam2

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
CHECKPOINTS = [
    {
        "name": CHECKPOINT,
        "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/"
        + CHECKPOINT,
        "directory": "checkpoints",
    }
]


def _boxed(at: tuple[int, int]) -> Node:
    """The vase by a box, and the ball in front of it excluded by a click."""
    return Node(
        "RegionFields_SegmentPrompts",
        at,
        (460, 700),
        {"points": "@box", "choice": "best", "refine": 2, "feather": 2.0},
        {"image": ("photo", "IMAGE"), "model": ("model", "model")},
        title="A box around the vase",
    )


def _clean(at: tuple[int, int]) -> Node:
    return Node(
        "RegionFields_CleanRegions",
        at,
        (320, 160),
        {"holes": 3000, "specks": 3000},
        {"regions": ("box", "regions")},
    )


def _heat(at: tuple[int, int], field: str, title: str = "") -> Node:
    return Node(
        "RegionFields_PreviewField",
        at,
        (380, 470),
        {"contours": 7, "probe": "483, 330"},
        {"field": (field, "field"), "image": ("photo", "IMAGE")},
        title=title,
    )


DEPTH_OF_FIELD = Workflow(
    "depth_of_field_by_region",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "depth": load_photo(DEPTH, (40, 470), "Depth, near is white"),
        "model": load_sam2((40, 860)),
        "box": _boxed((420, 80)),
        "clean": _clean((940, 80)),
        "around": Node(
            "RegionFields_FieldFromDistance",
            (940, 300),
            (340, 400),
            {"inner_radius": 0, "outer_radius": 12, "invert": True},
            {"anchor": ("clean", "regions")},
            title="None on the vase, all of it 12 pixels away",
        ),
        "focus": Node(
            "RegionFields_FieldFromDepth",
            (940, 770),
            (340, 520),
            {
                "band": "focus and range",
                "band.focus": 0.4,
                "band.range": 0.1,
                "near_feather": 0.3,
                "far_feather": 0.4,
                "invert": True,
            },
            {"depth": ("depth", "IMAGE"), "image": ("photo", "IMAGE")},
            title="None in the plane of focus",
        ),
        "both": Node(
            "RegionFields_CombineFields",
            (1340, 80),
            (340, 240),
            {"mode": "min"},
            {"fields.field0": ("focus", "field"), "fields.field1": ("around", "field")},
            title="How blurred, everywhere",
        ),
        "heat": _heat((1340, 380), "both"),
        "blur": Node(
            "RegionFields_BlurByField",
            (1780, 80),
            (340, 210),
            {"radius": 18, "kind": "disc"},
            {
                "image": ("photo", "IMAGE"),
                "field": ("both", "field"),
                "depth": ("depth", "IMAGE"),
            },
        ),
        "save": Node(
            "SaveImage",
            (1780, 350),
            (400, 400),
            {"filename_prefix": "region_fields/depth_of_field"},
            {"images": ("blur", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 990),
        "What stays sharp": (400, 10, 500, 800),
        "How blurred": (920, 10, 820, 1300),
        "The result": (1760, 10, 440, 760),
    },
    "save",
    "Depth says how blurred each pixel is, and the vase stays sharp as a whole, also where it "
    "leaves the plane of focus. What is near and blurred spreads over what is sharp behind it.",
    "move the plane of focus in None in the plane of focus, draw the box around something else, "
    "or widen radius in Blur by Field.",
)

DUSK_ROUND_ANCHOR = Workflow(
    "day_to_dusk_around_an_anchor",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "depth": load_photo(DEPTH, (40, 470), "Depth, near is white"),
        "model": load_sam2((40, 860)),
        "box": _boxed((420, 80)),
        "clean": _clean((940, 80)),
        "away": Node(
            "RegionFields_FieldFromDistance",
            (940, 300),
            (340, 400),
            {"inner_radius": 0, "outer_radius": 55, "units": "percent", "invert": True},
            {"anchor": ("clean", "regions")},
            title="Dusk grows away from the anchor",
        ),
        "near": Node(
            "RegionFields_FieldFromDistance",
            (940, 770),
            (340, 400),
            {"inner_radius": 0, "outer_radius": 70, "units": "percent"},
            {"anchor": ("clean", "regions")},
            title="Lamplight falls off around it",
        ),
        "heat": _heat((1340, 80), "away"),
        "dusk": Node(
            "RegionFields_GradeByField",
            (1340, 630),
            (340, 260),
            {"exposure": -2.8, "temperature": -0.6, "saturation": 0.7},
            {"image": ("photo", "IMAGE"), "field": ("away", "field")},
            title="Dark, cold and pale",
        ),
        "lamp": Node(
            "RegionFields_RelightByField",
            (1340, 950),
            (340, 370),
            {
                "azimuth": 155,
                "elevation": 30,
                "color": "#ffbf73",
                "intensity": 1.6,
                "ambient": 0.5,
            },
            {
                "image": ("dusk", "image"),
                "field": ("near", "field"),
                "depth": ("depth", "IMAGE"),
            },
            title="A lamp from the left",
        ),
        "save": Node(
            "SaveImage",
            (1780, 80),
            (440, 440),
            {"filename_prefix": "region_fields/dusk"},
            {"images": ("lamp", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 990),
        "The anchor": (400, 10, 500, 800),
        "How strongly": (920, 10, 820, 1330),
        "The result": (1760, 10, 480, 540),
    },
    "save",
    "From one photo by day: dusk grows with distance from the vase, and a warm lamp lights what "
    "is near it, shaded by normals taken from depth.",
    "turn the lamp with azimuth and color, or let dusk begin farther away with outer_radius.",
)


def _words(at: tuple[int, int], text: str, title: str) -> Node:
    return Node(
        "CLIPTextEncode", at, (380, 150), {"text": text}, {"clip": ("checkpoint", "CLIP")}, title
    )


INPAINT = Workflow(
    "inpaint_with_graded_strength",
    {
        "photo": load_photo(PHOTO, (40, 80), "Photo"),
        "model": load_sam2((40, 470)),
        "checkpoint": Node(
            "CheckpointLoaderSimple",
            (40, 660),
            (320, 160),
            {"ckpt_name": CHECKPOINT},
            models=CHECKPOINTS,
        ),
        "box": _boxed((420, 80)),
        "clean": _clean((940, 80)),
        "field": Node(
            "RegionFields_FieldFromDistance",
            (940, 300),
            (340, 400),
            {"inner_radius": 2, "outer_radius": 16, "units": "percent"},
            {"anchor": ("clean", "regions")},
            title="How much may change",
        ),
        "heat": _heat((940, 770), "field", "The field"),
        "encode": Node(
            "VAEEncode",
            (1360, 80),
            (240, 70),
            {},
            {"pixels": ("photo", "IMAGE"), "vae": ("checkpoint", "VAE")},
        ),
        "mask": Node(
            "RegionFields_FieldToDenoiseMask",
            (1360, 220),
            (340, 430),
            {"steps": 20, "scheduler": "karras", "denoise": 1.0, "sampler": "dpmpp_2m"},
            {
                "field": ("field", "field"),
                "model": ("checkpoint", "MODEL"),
                "latent": ("encode", "LATENT"),
            },
            title="Field to Denoise Mask, as KSampler",
        ),
        "levels": Node(
            "RegionFields_PreviewField",
            (1360, 720),
            (340, 420),
            {"contours": 0},
            {"field": ("mask", "mask")},
            title="The mask on the latent grid",
        ),
        "graded": Node(
            "DifferentialDiffusion",
            (1360, 1200),
            (300, 110),
            {},
            {"model": ("checkpoint", "MODEL")},
        ),
        "wanted": _words(
            (1780, 80), "a vase of hammered copper on a wooden table, still life photo", "Wanted"
        ),
        "unwanted": _words((1780, 290), "text, watermark", "Unwanted"),
        "sample": Node(
            "KSampler",
            (1780, 500),
            (340, 310),
            {
                "seed": 7,
                "steps": 20,
                "cfg": 6.0,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
                "denoise": 1.0,
            },
            {
                "model": ("graded", "MODEL"),
                "positive": ("wanted", "CONDITIONING"),
                "negative": ("unwanted", "CONDITIONING"),
                "latent_image": ("mask", "latent"),
            },
        ),
        "decode": Node(
            "VAEDecode",
            (1780, 870),
            (240, 70),
            {},
            {"samples": ("sample", "LATENT"), "vae": ("checkpoint", "VAE")},
        ),
        "edge": Node(
            "RegionFields_FieldCurve",
            (2220, 80),
            (340, 260),
            {"in_low": 0.0, "in_high": 0.15},
            {"field": ("field", "field")},
            title="All of it where anything may change",
        ),
        "mixed": Node(
            "RegionFields_CompositeByField",
            (2620, 80),
            (340, 150),
            {"space": "linear"},
            {
                "base": ("photo", "IMAGE"),
                "effect": ("decode", "IMAGE"),
                "field": ("edge", "field"),
            },
            title="The rest stays bit for bit",
        ),
        "save": Node(
            "SaveImage",
            (2620, 300),
            (400, 400),
            {"filename_prefix": "region_fields/inpaint"},
            {"images": ("mixed", "image")},
        ),
    },
    {
        "Inputs": (20, 10, 360, 830),
        "What may change": (400, 10, 500, 800),
        "How much": (920, 10, 800, 1330),
        "Sampling": (1760, 10, 420, 950),
        "The result": (2200, 10, 840, 750),
    },
    "heat",
    "Strength 1 on the vase, falling to 0 around it: a pixel of strength 0.5 is free for half of "
    "the steps. Needs a checkpoint; the thumbnail shows the field, not a sampled result.",
    "keep steps, scheduler, sampler and denoise of Field to Denoise Mask as the KSampler's; write "
    "what you want in Wanted, and let the change fade farther out with outer_radius.",
    samples=True,
)

FIELD_WORKFLOWS = (DEPTH_OF_FIELD, INPAINT, DUSK_ROUND_ANCHOR)
