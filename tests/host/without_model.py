"""Parts of a prompt that run without a diffusion checkpoint."""

from __future__ import annotations

from typing import Any

Prompt = dict[str, dict[str, Any]]


def leading_to(prompt: Prompt, *ends: str) -> Prompt:
    """The nodes that `ends` depend on, and those themselves; nothing in them is changed."""
    wanted: Prompt = {}
    waiting = list(ends)
    while waiting:
        key = waiting.pop()
        if key not in wanted:
            wanted[key] = prompt[key]
            waiting += [value[0] for value in prompt[key]["inputs"].values() if _is_link(value)]
    return wanted


def with_stand_ins(prompt: Prompt) -> Prompt:
    """The prompt with a checkpoint without weights: its schedule is real, its latents are zeros."""
    changed = {}
    for key, node in prompt.items():
        if node["class_type"] == "CheckpointLoaderSimple":
            node = {"class_type": "Probe_Model", "inputs": {"kind": "eps"}}
        elif node["class_type"] == "VAEEncode":
            pixels = {"pixels": node["inputs"]["pixels"]}
            node = {"class_type": "Probe_Latent", "inputs": pixels}
        changed[key] = node
    return changed


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
