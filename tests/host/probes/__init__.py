"""A node pack for tests only: hands a node exact values from a file and keeps what it gives.

It runs inside ComfyUI beside Region Fields; `comfy_server.py` writes and reads the files.
"""

import importlib
import sys

import numpy as np
import torch


def _pack():
    """The module under which ComfyUI imported Region Fields."""
    for name, module in list(sys.modules.items()):
        if hasattr(module, "comfy_entrypoint") and name.endswith("region-fields"):
            return name
    raise RuntimeError("Region Fields isn't imported.")


def _regions_class():
    return importlib.import_module(_pack() + ".engine.regions").Regions


def _fields(regions):
    """A Regions as a dict of what a file may hold."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(regions).items()
    }


def _lower(value):
    """`value` with every Regions turned into {"regions": fields}."""
    if isinstance(value, _regions_class()):
        return {"regions": _fields(value)}
    if isinstance(value, dict):
        return {key: _lower(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lower(item) for item in value]
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "ready"):
        return {"embeddings": len(value.ready().embeddings)}
    return value


def _lift(value):
    """`value` with every {"masks": (N, H, W), ...} turned into a Regions."""
    if isinstance(value, dict) and "regions" in value:
        return _regions_class().from_masks(**value["regions"])
    if isinstance(value, list):
        return [_lift(item) for item in value]
    return value


class Give:
    """Outputs what a file holds."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"path": ("STRING", {"default": ""})}}

    RETURN_TYPES = ("*",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, path):
        return (_lift(torch.load(path, weights_only=True)),)


class GiveList(Give):
    """Outputs the values of a list one by one."""

    OUTPUT_IS_LIST = (True,)


class Keep:
    """Writes what arrives, always as a list; of a model, how many embeddings it keeps."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {
            "required": {
                "value": ("*", {}),
                "path": ("STRING", {"default": ""}),
            }
        }

    INPUT_IS_LIST = True
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, value, path):
        torch.save(_lower(value), path[0])
        return {"ui": {}}


class _Network(torch.nn.Module):
    """As little of a diffusion model as nodes ask of one: its schedule and its latents."""

    def __init__(self, kind):
        super().__init__()
        import comfy.latent_formats
        import comfy.model_sampling

        self.device = None
        self.latent_format = comfy.latent_formats.SD15()
        if kind == "flow":
            self.model_sampling = comfy.model_sampling.ModelSamplingDiscreteFlow()
            self.model_sampling.set_parameters(shift=3.0)
        else:
            self.model_sampling = comfy.model_sampling.ModelSamplingDiscrete()


class Model:
    """A MODEL with a real schedule and no weights."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"kind": (["eps", "flow"],)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, kind):
        import comfy.model_patcher

        cpu = torch.device("cpu")
        return (comfy.model_patcher.ModelPatcher(_Network(kind), cpu, cpu),)


class Latent:
    """The latent of a picture without its content: zeros of an eighth of its size."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"pixels": ("IMAGE",)}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, pixels):
        count, height, width, _ = pixels.shape
        return ({"samples": torch.zeros(count, 4, height // 8, width // 8)},)


class FreeSteps:
    """In how many steps core's own Differential Diffusion frees each pixel of a mask."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"model": ("MODEL",), "sigmas": ("SIGMAS",), "mask": ("MASK",)}}

    RETURN_TYPES = ("MASK",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, model, sigmas, mask):
        from types import SimpleNamespace

        core = importlib.import_module("comfy_extras.nodes_differential_diffusion")
        inner = SimpleNamespace(model_sampling=model.get_model_object("model_sampling"))
        options = {"model": SimpleNamespace(inner_model=inner), "sigmas": sigmas}
        free = torch.zeros_like(mask)
        for sigma in sigmas[:-1]:
            free += core.DifferentialDiffusion.forward(sigma[None], mask, options, 1.0)
        return (free,)


class _Little(torch.nn.Module):
    """A network that predicts a tenth of what it sees, in place of a diffusion model's."""

    dtype = torch.float32

    def __init__(self, **_):
        super().__init__()

    def forward(self, x, *_, **__):
        return 0.1 * x


class SampledModel:
    """A MODEL that core's samplers run: a real BaseModel round a network of no weights."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"kind": (["EPS", "V_PREDICTION", "FLOW", "FLUX", "EDM"],)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, kind):
        import comfy.model_base
        import comfy.model_patcher
        import comfy.supported_models

        cpu = torch.device("cpu")
        config = comfy.supported_models.SD15({})
        if kind in ("FLOW", "FLUX"):
            config.sampling_settings = {"shift": 3.0}
        family = comfy.model_base.ModelType[kind]
        base = comfy.model_base.BaseModel(config, family, device=cpu, unet_model=_Little)
        return (comfy.model_patcher.ModelPatcher(base, cpu, cpu),)


class CountSteps:
    """The model, which writes to a file how often its sampler has freed each pixel, and in all."""

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {"model": ("MODEL",), "path": ("STRING", {"default": ""})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self, model, path):
        free = model.model_options["denoise_mask_function"]
        counted = []

        def count(sigma, mask, extra_options):
            cut = free(sigma, mask, extra_options)
            counted.append(cut.clone())
            torch.save((sum(counted), len(counted)), path)
            return cut

        counting = model.clone()
        counting.set_model_denoise_mask_function(count)
        return (counting,)


class Inverter:
    """For the Impact Pack's detailers: a pipe of nothing, and a sampler that inverts the crop."""

    def __init__(self):
        self.model_options = {}

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802
        return {"required": {}}

    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "CONDITIONING", "BASIC_PIPE")
    FUNCTION = "run"
    CATEGORY = "probes"

    def run(self):
        for module in list(sys.modules.values()):
            if "enhance_detail" in vars(module):
                module.enhance_detail = self.invert
        words = [[torch.zeros(1, 4, 8), {}]]
        return self, self, self, words, (self, self, self, words, words)

    @staticmethod
    def invert(image, model, clip, vae, guide_size, guide_for_bbox, max_size, bbox, *rest, **more):
        noise_mask = rest[8]
        if noise_mask is not None and tuple(noise_mask.shape) != tuple(image.shape[1:3]):
            raise ValueError(f"a mask of {noise_mask.shape} for a crop of {tuple(image.shape)}")
        if bbox[2] <= bbox[0] or bbox[3] <= bbox[1]:
            raise ValueError(f"an empty bbox {bbox}")
        return 1 - image, None


NODE_CLASS_MAPPINGS = {
    "Probe_Give": Give,
    "Probe_GiveList": GiveList,
    "Probe_Keep": Keep,
    "Probe_Model": Model,
    "Probe_Latent": Latent,
    "Probe_FreeSteps": FreeSteps,
    "Probe_SampledModel": SampledModel,
    "Probe_CountSteps": CountSteps,
    "Probe_Inverter": Inverter,
}
