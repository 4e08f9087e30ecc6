"""ComfyUI's own front end in headless Chromium: open a saved workflow, look at it, queue it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from comfy_server import Host, HostError

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = (
    "() => window.app && window.app.graph && window.app.extensionManager && window.app.vueAppReady"
)
FIRST_GRAPH = "() => window.app.graph.nodes.length > 0"
OPEN_SECONDS = 120


@dataclass
class FrontEnd:
    """A page with ComfyUI's front end; `page` is Playwright's, `messages` what its console said."""

    page: Any
    host: Host
    messages: list[str] = field(default_factory=list)

    def open(self, workflow: dict[str, Any]) -> None:
        """Load a saved workflow, as dropping its file on the canvas does."""
        self.page.evaluate("async (saved) => { await window.app.loadGraphData(saved) }", workflow)
        self.page.wait_for_timeout(500)

    def prompt(self) -> dict[str, Any]:
        """What the front end would send for the open workflow."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def saved(self) -> dict[str, Any]:
        """The open workflow as Save would write it."""
        text = self.page.evaluate("() => JSON.stringify(window.app.graph.serialize())")
        return json.loads(text)

    def red_nodes(self) -> list[str]:
        """Types of the nodes that the front end doesn't know or marks with an error."""
        return self.page.evaluate(
            "() => window.app.graph.nodes"
            ".filter(n => n.has_errors || !LiteGraph.registered_node_types[n.type])"
            ".filter(n => !['Note', 'MarkdownNote', 'Reroute', 'PrimitiveNode'].includes(n.type))"
            ".map(n => n.type)"
        )

    def queue(self) -> dict[str, Any]:
        """Queue the open workflow as the Run button does; its history once it has run."""
        with self.page.expect_response(lambda r: r.url.endswith("/prompt")) as held:
            self.page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
        reply = held.value.json()
        if "prompt_id" not in reply:
            raise HostError(json.dumps(reply))
        history = self.host.wait_for(reply["prompt_id"])
        if history["status"]["status_str"] != "success":
            raise HostError(json.dumps(history["status"]))
        return history

    def picture(self, path: Path) -> Path:
        """Fit the workflow into the window and save a screenshot."""
        self.page.evaluate("() => { window.app.canvas.fitViewToSelectionAnimated?.({}) }")
        self.page.wait_for_timeout(1200)
        self.page.screenshot(path=str(path))
        return path


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def launch(play: Any, profile: Path) -> Any:
    """A headless Chromium with a profile of its own, as a Playwright browser context."""
    return play.chromium.launch_persistent_context(
        str(profile),
        executable_path=find_chromium(),
        args=list(FLAGS),
        viewport={"width": 1600, "height": 1000},
    )


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    if find_chromium() is None:
        pytest.skip("no chromium on the path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("no playwright: install the dev extra")
    with sync_playwright() as play:
        context = launch(play, tmp_path_factory.mktemp("chromium"))
        yield context
        context.close()


def open_front_end(chromium: Any, host: Host) -> FrontEnd:
    """A new page with the front end of `host`, once it is ready for a workflow."""
    page = chromium.new_page()
    front = FrontEnd(page, host)
    page.on("console", lambda message: front.messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: front.messages.append(f"pageerror: {error}"))
    page.goto(host.url, wait_until="domcontentloaded", timeout=OPEN_SECONDS * 1000)
    page.wait_for_function(READY, timeout=OPEN_SECONDS * 1000)
    # The front end opens a first workflow of its own; it must not land on top of ours.
    page.wait_for_function(FIRST_GRAPH, timeout=OPEN_SECONDS * 1000)
    page.wait_for_timeout(500)
    return front


@pytest.fixture
def front_end(chromium: Any, host: Host) -> Iterator[FrontEnd]:
    """A fresh page of the front end."""
    front = open_front_end(chromium, host)
    yield front
    front.page.close()
