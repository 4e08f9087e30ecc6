/**
 * What the editor needs to know of ComfyUI's graph: where the image comes from, what the node last
 * gave, how to run it alone.
 *
 * @typedef {import("/scripts/app.js").GraphNode} GraphNode
 * @typedef {import("/scripts/app.js").Graph} Graph
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

export const UI_KEY = "region_fields_prompts";
const LOADERS = new Set(["LoadImage", "LoadImageOutput"]);
const MODEL_LOADER = "RegionFields_LoadSam2";
const REFUSED = "ComfyUI did not accept the workflow; its own message says why.";
/** Muted and bypassed nodes don't run. */
const MODE_NEVER = 2;
const MODE_BYPASS = 4;
/** Where links inside a subgraph come from that enter it. */
const SUBGRAPH_INPUTS = -10;
/** `queuePrompt`'s number for the front of the queue: a click need not wait for queued images. */
const FRONT = -1;

function rootGraph() {
  return app.rootGraph ?? app.graph;
}

/**
 * The id under which the server knows a node: inside subgraphs "outer:inner". Of several instances
 * of one subgraph, the first.
 *
 * @param {GraphNode} node
 * @param {Graph} [graph]
 * @returns {string | null} null when the node is in no graph
 */
export function executionId(node, graph = rootGraph()) {
  if (node.graph === graph) return String(node.id);
  for (const outer of graph?.nodes ?? []) {
    if (!outer.subgraph) continue;
    const inner = executionId(node, outer.subgraph);
    if (inner !== null) return `${outer.id}:${inner}`;
  }
  return null;
}

/**
 * A name for a node that it keeps when the page is opened again.
 *
 * @param {GraphNode} node
 * @returns {string | null} null when there is none
 */
export function placeOf(node) {
  const workflow = rootGraph()?.id;
  const id = executionId(node);
  return workflow && id !== null ? `${workflow}/${id}` : null;
}

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
  if (!isOn(node)) return "This node is switched off.";
  if (!quiet) return (await app.queuePrompt(0, 1, [id])) ? "" : REFUSED;
  try {
    const targets = { partialExecutionTargets: [id] };
    const reply = await api.queuePrompt(FRONT, await app.graphToPrompt(), targets);
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
  for (const { errors, class_type: type } of Object.values(reply?.node_errors ?? {})) {
    const first = errors?.[0];
    if (first) return `${type}: ${first.message}${first.details ? ` (${first.details})` : ""}`;
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
 * @param {GraphNode} node
 * @param {string} input
 * @returns {boolean} whether something is connected to an input
 */
export function isConnected(node, input) {
  return (node.inputs.find(({ name }) => name === input)?.link ?? null) !== null;
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
 * The node at the other end of an input, behind any reroutes and out of any subgraphs.
 *
 * @param {GraphNode} node
 * @param {string} input
 * @returns {GraphNode | null}
 */
function origin(node, input) {
  let { graph } = node;
  let id = node.inputs.find(({ name }) => name === input)?.link ?? null;
  while (graph && id !== null) {
    const link = graph.getLink?.(id) ?? /** @type {any} */ (graph.links)[id];
    if (!link) return null;
    if (link.origin_id === SUBGRAPH_INPUTS) {
      const outer = holderOf(graph);
      id = outer?.inputs[link.origin_slot]?.link ?? null;
      graph = outer?.graph ?? null;
      continue;
    }
    const source = graph.getNodeById(link.origin_id);
    if (source?.type !== "Reroute") return source ?? null;
    id = source.inputs[0]?.link ?? null;
  }
  return null;
}

/**
 * The node that a subgraph is the inside of; of several, the first.
 *
 * @param {Graph} subgraph
 * @param {Graph} [within]
 * @returns {GraphNode | null}
 */
function holderOf(subgraph, within = rootGraph()) {
  for (const outer of within?.nodes ?? []) {
    if (!outer.subgraph) continue;
    const found = outer.subgraph === subgraph ? outer : holderOf(subgraph, outer.subgraph);
    if (found) return found;
  }
  return null;
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
