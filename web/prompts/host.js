/**
 * What the editor needs to know of ComfyUI: the picture, what the node last gave, how to run it
 * alone.
 *
 * @typedef {import("/scripts/app.js").GraphNode} GraphNode
 * @typedef {import("./pictures.js").Picture} Picture
 *
 * @typedef {{filename: string, subfolder: string, type: string}} File
 * @typedef {object} Preview  what the node puts under `UI_KEY`, one an execution
 * @property {File} image
 * @property {File} labels  image of object numbers, see `overlay.js`
 * @property {boolean} [soft]  the masks have soft edges, and `labels` says how strong they are
 * @property {number} width  of the image, in pixels
 * @property {number} height
 * @property {string} prompts  the editor's text that it was made from
 * @property {Record<string, unknown>} settings  the node's other inputs that shape the masks
 */

import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";

import { executionId, isConnected, origin, rootGraph } from "./graph.js";
import { noteOwn } from "./jobs.js";

export const UI_KEY = "region_fields_prompts";
/** A widget's place in the page's side panel. */
const PANEL_ROW = ".widget-item";
const LOADERS = new Set(["LoadImage", "LoadImageOutput"]);
const MODEL_LOADER = "RegionFields_LoadSam2";
const REFUSED = "ComfyUI did not accept the workflow; its own message says why.";
/** Muted and bypassed nodes don't run. */
const MODE_NEVER = 2;
const MODE_BYPASS = 4;
/** `queuePrompt`'s number for the front of the queue: a click need not wait for queued images. */
const FRONT = -1;

/**
 * Whether running the node costs little more than its masks: the picture comes from a file, the
 * model from its loader, and nothing else has to run. And the node is not switched off.
 *
 * @param {GraphNode} node
 */
export function isCheap(node) {
  const linked = node.inputs.filter(({ link }) => (link ?? null) !== null);
  const sources = linked.map(({ name }) => origin(node, name)).map((source) => classOf(source));
  return (
    isOn(node) &&
    linked.some(({ name }) => name === "model") &&
    sources.every((name) => LOADERS.has(name) || name === MODEL_LOADER)
  );
}

/** @param {GraphNode} node */
function isOn(node) {
  return node.mode !== MODE_NEVER && node.mode !== MODE_BYPASS;
}

/** @param {GraphNode | null} node */
function classOf(node) {
  return node?.comfyClass ?? node?.type ?? "";
}

/**
 * Whether the server still has a result's files, which it drops when it ends.
 *
 * @param {Preview} preview
 * @returns {Promise<boolean>}
 */
export async function isKept({ image, labels }) {
  const asked = [image, labels].map((file) => fetch(viewURL(file), { method: "HEAD" }));
  return Promise.all(asked).then(
    (replies) => replies.every(({ ok }) => ok),
    () => false,
  );
}

/**
 * Run this node and what it needs, nothing else, through the normal queue.
 *
 * @param {GraphNode} node
 * @param {boolean} quiet  for runs after each edit: the page makes no notice of them
 * @returns {Promise<string>} "" when it was accepted, else why not
 */
export async function runAlone(node, quiet) {
  const id = executionId(node);
  if (id === null) return "This node is in no workflow.";
  if (!isOn(node)) {
    const muted = node.mode === MODE_NEVER;
    return `This node is ${muted ? "muted" : "bypassed"} and doesn't run; switch it on again ` +
      `(${muted ? "Ctrl+M" : "Ctrl+B"} with the node selected).`;
  }
  if (!quiet) return (await app.queuePrompt(0, 1, [id])) ? "" : REFUSED;
  try {
    const targets = { partialExecutionTargets: [id] };
    const reply = await api.queuePrompt(FRONT, await app.graphToPrompt(), targets);
    noteOwn(/** @type {any} */ (reply)?.prompt_id ?? "");
    return refusal(reply);
  } catch (error) {
    return refusal(/** @type {any} */ (error)?.response) || String(error);
  }
}

/**
 * @param {any} reply  of the server to a prompt
 * @returns {string} its first error in a sentence, "" where there is none
 */
function refusal(reply) {
  for (const [id, { errors, class_type: type }] of Object.entries(reply?.node_errors ?? {})) {
    const first = errors?.[0];
    if (!first) continue;
    const title = rootGraph()?.getNodeById(id)?.title ?? type;
    if (first.type === "required_input_missing") {
      return `${title}: connect something to ${first.extra_info?.input_name ?? first.details}.`;
    }
    return `${title}: ${first.message}${first.details ? ` (${first.details})` : ""}`;
  }
  return reply?.error?.message ?? (typeof reply?.error === "string" ? reply.error : "");
}

/**
 * The picture that a directly connected Load Image node shows: exactly the image this node gets.
 *
 * @param {GraphNode} node
 * @param {string} input
 * @returns {Picture | null}
 */
export function loadedPicture(node, input) {
  const source = origin(node, input);
  if (!source || !LOADERS.has(classOf(source))) return null;
  const value = source.widgets?.find((widget) => widget.name === "image")?.value;
  if (typeof value !== "string" || !value) return null;
  const annotated = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value);
  const path = annotated?.[1] ?? value;
  const cut = path.lastIndexOf("/");
  const url = viewURL({
    filename: path.slice(cut + 1),
    subfolder: path.slice(0, Math.max(0, cut)),
    type: annotated?.[2] ?? (source.type === "LoadImageOutput" ? "output" : "input"),
  });
  return { key: url, url, size: null };
}

/**
 * Whether a result was made with other settings than the node's widgets show now. Inputs that come
 * over a link are left out: their value isn't known here.
 *
 * @param {GraphNode} node
 * @param {Record<string, unknown> | undefined} settings
 */
export function isOutdated(node, settings) {
  return Object.entries(settings ?? {}).some(([name, value]) => {
    const widget = node.widgets?.find((one) => one.name === name);
    return widget && !isConnected(node, name) && widget.value !== value;
  });
}

/**
 * What the node gave when it last ran, also before the page or the tab was opened again.
 *
 * @param {GraphNode} node
 * @returns {Preview | null}
 */
export function lastPreview(node) {
  const { graph } = node;
  const inside = graph && graph !== rootGraph() && graph.id;
  const key = inside ? `${graph.id}:${node.id}` : String(node.id);
  return app.nodeOutputs?.[key]?.[UI_KEY]?.[0] ?? null;
}

/**
 * @param {File} file
 * @returns {string}
 */
export function viewURL({ filename, subfolder, type }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/** Let the page note that the workflow changed, for its own undo and its unsaved mark. */
export function noteChange() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

/**
 * Keep a widget to its node. The page's side panel has a row for it, too, with a canvas of the
 * widget's height that stays blank, since the widget's element can be in one place only: the row is
 * hidden. It also sets the width that it draws widgets with, and leaves it so.
 *
 * @param {import("/scripts/app.js").Widget} widget
 */
export function keepToNode(widget) {
  Object.defineProperty(widget, "width", { get: () => undefined, set: () => {} });
  const draw = widget.draw;
  widget.draw = (context, ...rest) => {
    /** @type {HTMLElement | null | undefined} */
    const row = context.canvas.closest?.(PANEL_ROW);
    if (row) row.style.display = "none";
    else draw?.call(widget, context, ...rest);
  };
}
