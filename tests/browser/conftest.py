"""A page with the prompt editor, in both of the front end's renderers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfy_browser import open_front_end
from comfy_server import Host
from prompt_editor import Editor

RENDERERS = {"canvas": False, "nodes 2.0": True}


@pytest.fixture(scope="package", params=list(RENDERERS))
def page(request: pytest.FixtureRequest, chromium: Any, host: Host) -> Iterator[Editor]:
    """One page a renderer; every test opens its own workflow in it."""
    host.post("/settings/Comfy.TutorialCompleted", True)
    host.post("/settings/Comfy.Workflow.Persist", False)
    host.post("/settings/Comfy.VueNodes.Enabled", RENDERERS[request.param])
    front = open_front_end(chromium, host)
    yield Editor(front, request.param)
    front.page.close()
    host.post("/settings/Comfy.VueNodes.Enabled", False)


@pytest.fixture
def editor(page: Editor) -> Iterator[Editor]:
    """The editor; a test in which its scripts raise fails."""
    page.front.messages.clear()
    yield page
    ours = [m for m in page.front.messages if "pageerror" in m or "region-fields" in m]
    assert not ours, ours
