"""Who may import whom. The layers are listed in CONTRIBUTING.md; here they are enforced."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOST = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "server", "nodes", "aiohttp"}
SHARED = {"numpy", "torch"}
HEAVY = ("sam2", "torchvision", "transformers", "scipy", "skimage")
COMMAND = ("cli.py", "cli_field.py", "cli_options.py", "demo.py")
COMMAND_MODULES = tuple(name.removesuffix(".py") for name in COMMAND)


@dataclass(frozen=True)
class Import:
    """One import statement: where, what (dotted from the package's root, or absolute), when."""

    file: str
    line: int
    level: int
    target: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {'.' * self.level}{self.target}"


def _sources() -> list[Path]:
    places = [*ROOT.glob("*.py"), *ROOT.glob("engine/**/*.py"), *ROOT.glob("nodes/**/*.py")]
    return sorted(path.relative_to(ROOT) for path in places)


def _imports(path: Path, text: str | None = None) -> Iterator[Import]:
    source = (ROOT / path).read_text(encoding="utf-8") if text is None else text
    yield from _walk(ast.parse(source), path, lazy=False)


def _walk(node: ast.AST, path: Path, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue  # names for annotations only: nothing is imported when the code runs
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(str(path), child.lineno, 0, alias.name, lazy)
        elif isinstance(child, ast.ImportFrom):
            for target in _targets(child, path):
                yield Import(str(path), child.lineno, child.level, target, lazy)
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _walk(child, path, lazy or inside)


def _targets(node: ast.ImportFrom, path: Path) -> list[str]:
    """The modules an import names, from the package's root where it is relative."""
    if node.level == 0:
        return [node.module or ""]
    folders = list(path.parent.parts)
    base = folders[: len(folders) - (node.level - 1)]
    if node.module:
        return [".".join([*base, *node.module.split(".")])]
    return [".".join([*base, alias.name]) for alias in node.names]


def _within(target: str, *allowed: str) -> bool:
    return any(target == place or target.startswith(place + ".") for place in allowed)


def _stage_of(path: Path) -> str:
    """The stage a file of engine/ belongs to: its file's or its folder's name."""
    return path.parts[1] if len(path.parts) > 2 else path.stem


def _own_allowed(path: Path) -> tuple[str, ...]:
    """Where in the package a file's imports may lead."""
    top = path.parts[0]
    if top == "nodes":
        return ("engine", "nodes")
    if top != "engine":
        return ("engine", *COMMAND_MODULES) if path.name in COMMAND else ("nodes",)
    stage = _stage_of(path)
    if stage == "ops":
        return ("engine.ops",)
    if stage == "regions":
        return ("engine.ops",)
    return ("engine.regions", "engine.ops", f"engine.{stage}")


def _foreign_allowed(path: Path) -> set[str]:
    """Which packages besides the standard library a file may import."""
    top = path.parts[0]
    if top == "nodes" or (path.name == "__init__.py" and len(path.parts) == 1):
        return SHARED | HOST | {"PIL"}
    if top != "engine":
        return SHARED
    if _stage_of(path) == "ops":
        return SHARED | {"scipy"}
    if _stage_of(path) == "sam2":
        return SHARED | {"sam2", "safetensors"}
    return SHARED | {"PIL", "scipy"}


def _breaks(path: Path, found: Import) -> str:
    """What is wrong with an import; empty where nothing is."""
    if found.level:
        allowed = _own_allowed(path)
        return "" if _within(found.target, *allowed) else f"may lead to {', '.join(allowed)} only"
    package = found.target.split(".")[0]
    if package in sys.stdlib_module_names or package == "__future__":
        return ""
    if package == "region_fields" or ((ROOT / package).is_dir() and package not in HOST | {"sam2"}):
        return "must be relative: ComfyUI imports the pack under another name"
    if package not in _foreign_allowed(path):
        return f"may come from {', '.join(sorted(_foreign_allowed(path)))} only"
    if package == "scipy" and not _within(found.target, "scipy.ndimage"):
        return "may use scipy.ndimage only"
    if package in HEAVY and not found.lazy:
        return f"must stand in the function that needs it: {package} is slow to import"
    return ""


@pytest.mark.parametrize("path", _sources(), ids=str)
def test_every_import_stays_within_its_layer(path):
    broken = [f"{found}: {why}" for found in _imports(path) if (why := _breaks(path, found))]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/cover.py", "from .field import distance_to"),
        ("engine/cover.py", "from . import field"),
        ("engine/cover.py", "import comfy.utils"),
        ("engine/cover.py", "import scipy.ndimage"),
        ("engine/cover.py", "def f():\n    from scipy.optimize import minimize"),
        ("engine/cover.py", "from region_fields.engine.regions import Regions"),
        ("engine/cover.py", "from ..nodes import types"),
        ("engine/ops/bits.py", "from ..regions import Regions"),
        ("engine/ops/bits.py", "from PIL import Image"),
        ("engine/sam2/model.py", "from sam2.modeling.sam2_base import SAM2Base"),
        ("engine/sam2/model.py", "from ..field import distance_to"),
        ("engine/field.py", "from .sam2.model import Sam2"),
        ("nodes/cover.py", "from ..cli import main"),
        ("cli.py", "from .nodes.cover import FillCoverage"),
        ("cli.py", "import torchvision"),
    ],
)
def test_a_forbidden_import_is_noticed(path, text):
    assert any(_breaks(Path(path), found) for found in _imports(Path(path), text))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/cover.py", "from .ops.distance import distance_to\nfrom .regions import Regions"),
        ("engine/cover.py", "def f():\n    from scipy.ndimage import label"),
        ("engine/sam2/model.py", "def f():\n    from sam2.modeling.sam2_base import SAM2Base"),
        ("engine/cover.py", "if TYPE_CHECKING:\n    from .field import distance_to"),
        ("nodes/cover.py", "from comfy_api.latest import io\nfrom ..engine.cover import Coverage"),
    ],
)
def test_an_allowed_import_passes(path, text):
    assert not any(_breaks(Path(path), found) for found in _imports(Path(path), text))


_FAKE_HOST = '''
import importlib.abc, importlib.machinery, sys, types

class Answers(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Fake

class Fake(metaclass=Answers):
    """Stands for anything in ComfyUI: a class to derive from, a decorator, a value."""
    def __init__(self, *args, **kwargs): pass
    def __init_subclass__(cls, **kwargs): pass
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Fake()
    def __call__(self, *args, **kwargs):
        return args[0] if len(args) == 1 and callable(args[0]) else Fake()

class Module(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Fake

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"comfy", "comfy_api", "folder_paths", "server"}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return Module(spec.name)
    def exec_module(self, module):
        if module.__name__ == "folder_paths":
            module.models_dir = "models"

sys.meta_path.insert(0, Finder())
'''


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _loaded_heavy(code: str) -> set[str]:
    """The slow packages that are loaded once `code` has run in a fresh interpreter."""
    shown = f"print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = _run(f"import sys\n{code}\n{shown}")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_engine_and_command_needs_no_comfyui_and_nothing_slow():
    code = (
        "sys.modules.update(dict.fromkeys(['comfy', 'comfy_api', 'folder_paths', 'server']))\n"
        "import region_fields.engine, region_fields.cli\n"
        "from region_fields.engine import Regions, select, field_from_depth, composite\n"
        "region_fields.cli.make_parser()"
    )
    assert _loaded_heavy(code) == set()


def test_importing_the_pack_in_a_host_loads_nothing_slow():
    """ComfyUI stands faked here; tests/host import the pack in a real one."""
    code = (
        f"{_FAKE_HOST}\n"
        "import importlib, pkgutil, region_fields, region_fields.nodes\n"
        "found = [m.name for m in pkgutil.iter_modules(region_fields.nodes.__path__)]\n"
        "for name in found:\n"
        "    importlib.import_module('region_fields.nodes.' + name)\n"
        "assert len(found) > 5, found\n"
    )
    assert _loaded_heavy(code) == set()


def test_the_engine_names_are_all_there():
    code = (
        "import sys, region_fields.engine as engine\n"
        "for name in engine.__all__:\n"
        "    assert getattr(engine, name) is not None, name\n"
        "assert not set(sys.modules) & {'torchvision', 'transformers'}\n"
    )
    done = _run(code)
    assert done.returncode == 0, done.stderr
