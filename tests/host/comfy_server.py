"""A real ComfyUI for tests: start it with the pack linked in, run prompts, see what came out.

COMFYUI_DIR names the checkout (else ~/comfy/ComfyUI); COMFYUI_PYTHON the interpreter (else the
checkout's own .venv or venv). Where there is none, tests that ask for `host` are skipped.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("custom_nodes", "input", "output", "temp", "user", "models")
START_SECONDS = 240
RUN_SECONDS = 300
# Without these a first visit opens the template browser over the canvas.
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}


class HostError(Exception):
    """ComfyUI refused a prompt or a node failed; the text is what the user would read."""


@dataclass(frozen=True)
class Checkout:
    """Where ComfyUI is and which Python runs it."""

    folder: Path
    python: Path


def find_checkout() -> Checkout | str:
    """The ComfyUI checkout, or a sentence that says why there is none."""
    folder = Path(os.environ.get("COMFYUI_DIR") or Path.home() / "comfy" / "ComfyUI")
    if not (folder / "main.py").is_file():
        return f"no ComfyUI at {folder}: set COMFYUI_DIR to a checkout"
    named = os.environ.get("COMFYUI_PYTHON")
    places = [Path(named)] if named else [folder / v / "bin" / "python" for v in (".venv", "venv")]
    for python in places:
        if python.is_file():
            return Checkout(folder, python)
    return f"no Python for {folder}: set COMFYUI_PYTHON to the one that runs it"


@dataclass(frozen=True)
class Ref:
    """Output number `slot` of the node `node` of a Graph."""

    node: str
    slot: int = 0

    def out(self, slot: int) -> Ref:
        return Ref(self.node, slot)


@dataclass
class Graph:
    """A prompt in the making: what POST /prompt takes."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, class_type: str, **inputs: Any) -> Ref:
        """Add a node; an input that is a Ref becomes a link, all else a widget's value."""
        key = str(len(self.nodes) + 1)
        values = {
            name: [value.node, value.slot] if isinstance(value, Ref) else value
            for name, value in inputs.items()
        }
        self.nodes[key] = {"class_type": class_type, "inputs": values}
        return Ref(key)


@dataclass(frozen=True)
class Wire:
    """A value that reaches its input through a link, not as a widget's value.

    many: a list, whose values come one by one.
    """

    value: Any
    many: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a prompt left: `ui` per node, and the messages of the websocket in order."""

    prompt_id: str
    ui: dict[str, Any]
    events: list[dict[str, Any]]


@dataclass
class Host:
    """A running ComfyUI. `folder` is its base directory, `log` what it printed."""

    url: str
    folder: Path
    log_path: Path
    process: subprocess.Popen[bytes]
    _info: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return reply.read()

    def post(self, path: str, body: Any) -> Any:
        """POST JSON; the reply, also that of an HTTP error, parsed."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            error.close()
        return json.loads(text) if text else {}

    def object_info(self) -> dict[str, Any]:
        """What ComfyUI says of every node."""
        if not self._info:
            self._info.update(json.loads(self.get("/object_info")))
        return self._info

    def run(self, graph: Graph | dict[str, Any], on_event: Any = None) -> Outcome:
        """Queue a prompt and wait for its end. Raises HostError with ComfyUI's own words."""
        prompt = graph.nodes if isinstance(graph, Graph) else graph
        client = uuid.uuid4().hex
        address = f"{self.url.replace('http', 'ws')}/ws?clientId={client}"
        with connect(address, max_size=None) as socket_:
            reply = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if "prompt_id" not in reply:
                raise HostError(_refusal(reply))
            events = _listen(socket_, reply["prompt_id"], on_event)
        return Outcome(reply["prompt_id"], self.history(reply["prompt_id"])["outputs"], events)

    def history(self, prompt_id: str) -> dict[str, Any]:
        return json.loads(self.get(f"/history/{prompt_id}"))[prompt_id]

    def wait_for(self, prompt_id: str) -> dict[str, Any]:
        """The history of a prompt that someone else (the front end) queued, once it has run."""
        until = time.monotonic() + RUN_SECONDS
        while time.monotonic() < until:
            held = json.loads(self.get(f"/history/{prompt_id}"))
            if prompt_id in held:
                return held[prompt_id]
            time.sleep(0.1)
        raise HostError(f"prompt {prompt_id} did not end within {RUN_SECONDS} s")

    def view(self, saved: dict[str, str]) -> Tensor:
        """A picture that a node saved, float32 (H, W, C) in [0, 1]."""
        query = urllib.parse.urlencode(saved)
        with Image.open(io.BytesIO(self.get(f"/view?{query}"))) as picture:
            return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)

    def call(self, node_id: str, **inputs: Any) -> dict[str, Any]:
        """Run one node of the pack on exact values; its outputs by name.

        Tensors, `Wire` values and Refs of `Node` arrive over links, all else as widgets. REGIONS
        come back as lists of `Regions`.
        """
        return self.chain(Call(node_id, inputs))

    def chain(self, call: Call, on_event: Any = None) -> dict[str, Any]:
        """Run a node whose inputs may be other nodes; the outputs of the last, by name."""
        info = self.object_info()[call.node_id]
        graph = Graph()
        node = self._add(graph, call)
        kept = []
        for slot in range(len(info["output"])):
            path = self.folder / "temp" / f"{uuid.uuid4().hex}.pt"
            graph.add("Probe_Keep", value=node.out(slot), path=str(path))
            kept.append(path)
        outcome = self.run(graph, on_event)
        found: dict[str, Any] = {"ui": outcome.ui.get(node.node, {})}
        for path, name, many in zip(kept, info["output_name"], info["output_is_list"], strict=True):
            values = _lift(torch.load(path, weights_only=True))
            found[name] = values if many else values[0]
            path.unlink()
        return found

    def _add(self, graph: Graph, call: Call) -> Ref:
        inputs = {}
        for name, value in call.inputs.items():
            if isinstance(value, Call):
                inputs[name] = self._add(graph, value).out(value.slot)
            elif isinstance(value, Tensor | Wire):
                path = self.folder / "temp" / f"{uuid.uuid4().hex}.pt"
                torch.save(value.value if isinstance(value, Wire) else value, path)
                many = isinstance(value, Wire) and value.many
                inputs[name] = graph.add(f"Probe_Give{'List' * many}", path=str(path))
            else:
                inputs[name] = value
        return graph.add(call.node_id, **inputs)


@dataclass(frozen=True)
class Call:
    """A node and its inputs, one of which may be output `slot` of another Call."""

    node_id: str
    inputs: dict[str, Any]
    slot: int = 0


def regions_wire(*frames: dict[str, Any]) -> Wire:
    """REGIONS made in the host: per frame the arguments of `Regions.from_masks`."""
    return Wire([{"regions": frame} for frame in frames])


def _lift(value: Any) -> Any:
    from region_fields.engine import Regions

    if isinstance(value, dict) and "regions" in value:
        held = dict(value["regions"])
        held["size"], held["labels"] = tuple(held["size"]), tuple(held["labels"])
        return Regions(**held)
    if isinstance(value, list):
        return [_lift(item) for item in value]
    return value


def _refusal(reply: dict[str, Any]) -> str:
    told = [reply.get("error", {}).get("message", "refused")]
    for node in reply.get("node_errors", {}).values():
        told += [f"{e['message']}: {e['details']}" for e in node["errors"]]
    return "; ".join(told)


def _listen(socket_: Any, prompt_id: str, on_event: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    until = time.monotonic() + RUN_SECONDS
    while time.monotonic() < until:
        message = socket_.recv(timeout=RUN_SECONDS)
        if isinstance(message, bytes):
            continue
        event = json.loads(message)
        data = event.get("data", {})
        if data.get("prompt_id", prompt_id) != prompt_id:
            continue
        events.append(event)
        if on_event is not None:
            on_event(event)
        if event["type"] == "execution_error":
            raise HostError(data["exception_message"].strip())
        if event["type"] == "execution_interrupted":
            raise HostError("interrupted")
        if event["type"] == "executing" and data.get("node") is None:
            return events
    raise HostError(f"no end within {RUN_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    checkout: Checkout,
    folder: Path,
    extra: tuple[str, ...] = (),
    more_packs: dict[str, Path] | None = None,
) -> Host:
    """Start ComfyUI on the CPU with `folder` as its base directory and wait until it answers.

    more_packs: other node packs to load, by the name of their folder.
    """
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    packs = {"region-fields": ROOT, "region-fields-probes": Path(__file__).parent / "probes"}
    packs |= more_packs or {}
    for name, target in packs.items():
        (folder / "custom_nodes" / name).symlink_to(target, target_is_directory=True)
    (folder / "user" / "default").mkdir(exist_ok=True)
    (folder / "user" / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS))
    for picture in (ROOT / "example_workflows" / "inputs").glob("*.*"):
        shutil.copy(picture, folder / "input")
    port = _free_port()
    command = [checkout.python, "main.py", "--cpu", "--base-directory", folder, "--port", port]
    command += ["--disable-all-custom-nodes", "--whitelist-custom-nodes", *packs]
    command += ["--disable-api-nodes", "--database-url", "sqlite:///:memory:", *extra]
    log_path = folder / "comfyui.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=checkout.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    host = Host(f"http://127.0.0.1:{port}", folder, log_path, process)
    _await_answer(host)
    return host


def _await_answer(host: Host) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if host.process.poll() is not None:
            raise HostError(f"ComfyUI ended while starting:\n{host.log[-4000:]}")
        try:
            host.get("/system_stats")
        except OSError:
            time.sleep(0.25)
        else:
            return _check_loaded(host)
    stop(host)
    raise HostError(f"ComfyUI did not answer within {START_SECONDS} s:\n{host.log[-4000:]}")


def _check_loaded(host: Host) -> None:
    """Raise with the log where a pack failed: ComfyUI itself starts without it."""
    log = host.log
    if "IMPORT FAILED" in log or "Error while calling comfy_entrypoint" in log:
        stop(host)
        raise HostError(f"a pack did not load:\n{log[-6000:]}")


def stop(host: Host) -> None:
    host.process.terminate()
    try:
        host.process.wait(10)
    except subprocess.TimeoutExpired:
        host.process.kill()
        host.process.wait()


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    """ComfyUI's checkout; skips where there is none."""
    found = find_checkout()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def host(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One ComfyUI for the whole session."""
    running = start(checkout, tmp_path_factory.mktemp("comfyui"))
    yield running
    stop(running)
