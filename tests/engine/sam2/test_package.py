"""A sam2 package that is missing, shadowed, old or broken is said to be so, in one sentence."""

import sys
from pathlib import Path

import pytest
from region_fields.engine import InputError
from region_fields.engine.sam2.package import require_sam2


@pytest.fixture
def fresh(monkeypatch):
    """No module of sam2 imported yet; what was is back afterwards."""
    for name in [n for n in sys.modules if n == "sam2" or n.startswith("sam2.")]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [n for n in sys.modules if n == "sam2" or n.startswith("sam2.")]:
        monkeypatch.delitem(sys.modules, name)


def plant(folder: Path, files: dict[str, str]) -> None:
    """Write a package called sam2 into `folder`."""
    for name, text in files.items():
        path = folder / "sam2" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_installed_package_serves():
    require_sam2()


@pytest.mark.usefixtures("fresh")
def test_a_missing_package_is_said_to_be(monkeypatch):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-packages" not in p])
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if isinstance(f, type)])
    with pytest.raises(InputError, match=r"isn't installed.*pip install .*sam2"):
        require_sam2()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("files", [{"__init__.py": ""}, {"nodes.py": ""}])
def test_a_shadowing_folder_is_named_with_its_place(monkeypatch, tmp_path, files):
    plant(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    if "__init__.py" not in files:  # a folder without it comes after any real package
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if isinstance(f, type)])
    with pytest.raises(InputError, match=rf"{tmp_path}.*isn't the sam2 package.*another node pack"):
        require_sam2()


@pytest.mark.usefixtures("fresh")
def test_an_older_package_is_said_to_be(monkeypatch, tmp_path):
    old = "class SAM2Base:\n    def __init__(self, image_encoder):\n        pass\n"
    plant(
        tmp_path,
        {"__init__.py": "", "modeling/__init__.py": "", "modeling/sam2_base.py": old},
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"too old or changed.*no_obj_embed_spatial"):
        require_sam2()


@pytest.mark.usefixtures("fresh")
def test_a_package_that_lacks_what_it_needs_says_what(monkeypatch, tmp_path):
    plant(tmp_path, {"__init__.py": "import a_module_that_nobody_has\n"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="doesn't import: No module named 'a_module_that_nobody"):
        require_sam2()
