"""What the documents say about the pack is true of it."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from region_fields import engine
from region_fields.cli import make_parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = ROOT / "web" / "docs"
FOLDERS = ("docs", "example_workflows", "tools", "web")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.md"))]
)


def _node_names() -> set[str]:
    """display_name of every io.Schema in nodes/."""
    names = set()
    for path in (ROOT / "nodes").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "Schema":
                given = {keyword.arg: keyword.value for keyword in node.keywords}
                if "display_name" in given:
                    names.add(ast.literal_eval(given["display_name"]))
    return names


def test_the_readme_lists_exactly_the_nodes_there_are():
    table = README.split("## Nodes")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| ([^*|][^|]*?) \| [^|]+ \|$", table, re.MULTILINE)) - {"node"}
    assert listed == _node_names()


def test_every_command_in_the_readme_can_be_parsed():
    commands = re.findall(r"^region-fields .*", README, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        make_parser().parse_args(shlex.split(command)[1:])


def test_the_engine_names_in_the_readme_exist():
    [names] = re.findall(r"from region_fields\.engine import ([\w,\s]+)`", README)
    for name in names.split(","):
        assert name.strip() in engine.__all__


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(path):
    # ComfyUI's front end takes what a help page shows from docs/, not from the page's own folder.
    folder = HELP if path.is_relative_to(HELP) else path.parent
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
    for link in links:
        if not re.match(r"[a-z]+:", link):
            assert (folder / link).exists(), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_that_documents_name_exist(path):
    text = path.read_text(encoding="utf-8")
    folders = "engine|nodes|tests|tools|benchmarks|example_workflows|docs|web"
    for name in set(re.findall(rf"`((?:{folders})/[\w/.]*)`", text)):
        assert (ROOT / name).exists(), name


def test_what_is_published_is_what_runs_and_no_more():
    left_out = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in left_out if line and not line.startswith("#")]
    for rule in rules:
        assert (ROOT / rule).exists(), rule
        assert (ROOT / rule).is_dir() == rule.endswith("/"), rule
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    running = {"__init__.py", "LICENSE", "README.md", "demo.py", "pyproject.toml", "web/"}
    running |= {"requirements.txt", "example_workflows/", *(f"{name}/" for name in folders)}
    assert {"engine/", "nodes/"} <= running
    assert not running & set(rules)


def test_every_package_is_installed():
    (listed,) = re.findall(
        r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M | re.S
    )
    found = {
        ".".join(("region_fields", *path.parent.relative_to(ROOT).parts))
        for part in ("engine", "nodes")
        for path in (ROOT / part).rglob("__init__.py")
    }
    assert set(re.findall(r'"([\w.]+)"', listed)) == {"region_fields", *found}


def test_requirements_and_the_package_ask_for_the_same():
    (listed,) = re.findall(
        r"^dependencies = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M
    )
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert re.findall(r'"([^"]+)"', listed) == [line for line in lines if not line.startswith("#")]
