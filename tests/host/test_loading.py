"""The pack in a real ComfyUI: it loads, and every node tells the user what it does."""

from __future__ import annotations

import re

import pytest
from comfy_server import Host

pytestmark = pytest.mark.host


def test_the_pack_loads_without_an_error_in_the_log(host: Host):
    log = host.log
    assert "IMPORT FAILED" not in log
    assert "Error while calling comfy_entrypoint" not in log
    assert "custom_nodes/region-fields" in log


def pack_nodes(host: Host) -> dict:
    return {
        node_id: info
        for node_id, info in host.object_info().items()
        if node_id.startswith("RegionFields_")
    }


def inputs_of(info: dict) -> dict[str, list]:
    """Every input of a node by name, those inside dynamic ones too."""
    found = {}
    for group in ("required", "optional"):
        for name, spec in info["input"].get(group, {}).items():
            found[name] = spec
            for option in spec[1].get("options") or []:
                if isinstance(option, dict):
                    found |= inputs_of({"input": option["inputs"]})
            if "template" in spec[1]:
                found |= inputs_of({"input": spec[1]["template"]["input"]})
    return found


def test_every_node_says_what_it_does_and_what_each_input_means(host: Host):
    nodes = pack_nodes(host)
    assert nodes
    for node_id, info in nodes.items():
        assert info["description"], node_id
        assert info["search_aliases"], node_id
        assert info["category"].startswith("region fields/"), node_id
        for name, (_, spec) in inputs_of(info).items():
            assert spec.get("tooltip"), f"{node_id}: {name} has no tooltip"
        assert all(info["output_tooltips"]), f"{node_id}: an output has no tooltip"


def test_every_node_has_a_help_page_that_names_its_inputs_and_outputs(host: Host):
    nodes = pack_nodes(host)
    for node_id, info in nodes.items():
        page = host.get(f"/extensions/region-fields/docs/{node_id}/en.md").decode()
        assert page.startswith(f"# {info['display_name']}"), node_id
        for name in [*inputs_of(info), *info["output_name"]]:
            assert f"`{name}`" in page, f"{node_id}: the help page does not mention {name}"
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page):
            assert host.get(f"/extensions/region-fields/docs/{picture}"), f"{node_id}: {picture}"


def test_the_tables_of_a_help_page_say_what_the_node_says(host: Host):
    compared = 0
    for node_id, info in pack_nodes(host).items():
        page = host.get(f"/extensions/region-fields/docs/{node_id}/en.md").decode()
        taken, given = (table(page, part) for part in ("Inputs", "Outputs"))
        for name, (kind, spec) in inputs_of(info).items():
            if name not in taken:
                continue
            _, default, told = taken[name].split(" | ", 2)
            assert told == spec["tooltip"].replace("\n", "<br>"), f"{node_id}: {name}"
            if kind in ("FLOAT", "INT", "BOOLEAN", "STRING", "COMBO") and "default" in spec:
                assert default in shown(spec["default"]), f"{node_id}: {name}"
            compared += 1
        outputs = list(zip(info["output_name"], info["output_tooltips"], strict=True))
        listed = [(name, row.split(" | ", 1)[1]) for name, row in given.items()]
        assert not listed or listed == outputs, node_id
    assert compared > 200


def table(page: str, part: str) -> dict[str, str]:
    """The rows under a heading of a help page by their first column, in order."""
    section = page.split(f"## {part}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))


def shown(default: object) -> tuple[str, ...]:
    """A default as the help pages may write it."""
    if isinstance(default, bool):
        return ("on",) if default else ("off",)
    if isinstance(default, str):
        return (f"`{default}`",) if default else ("empty", "")
    return (f"{default:g}",)
