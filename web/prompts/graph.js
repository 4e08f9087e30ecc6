/**
 * Where a node is in ComfyUI's graph, its subgraphs included, and what is connected to it.
 *
 * @typedef {import("/scripts/app.js").GraphNode} GraphNode
 * @typedef {import("/scripts/app.js").Graph} Graph
 */

import { app } from "/scripts/app.js";

/** Where links inside a subgraph come from that enter it. */
const SUBGRAPH_INPUTS = -10;

/** For each subgraph the node through which the user opened it last. */
/** @type {WeakMap<Graph, GraphNode>} */
const entrances = new WeakMap();
document.addEventListener("subgraph-opening", (event) => {
  const { subgraph, fromNode } = /** @type {CustomEvent} */ (event).detail;
  entrances.set(subgraph, fromNode);
});

export function rootGraph() {
  return app.rootGraph ?? app.graph;
}

/**
 * The id under which the server knows a node: inside subgraphs "outer:inner". Of several instances
 * of one subgraph, the one through which it was opened last, else the first.
 *
 * @param {GraphNode} node
 * @returns {string | null} null when the node is in no graph
 */
export function executionId(node) {
  const { graph } = node;
  if (!graph || graph === rootGraph()) return graph ? String(node.id) : null;
  const holder = holderOf(graph);
  const outer = holder && executionId(holder);
  return outer === null ? null : `${outer}:${node.id}`;
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
 * @param {GraphNode} node
 * @param {string} input
 * @returns {boolean} whether something is connected to an input
 */
export function isConnected(node, input) {
  return (node.inputs.find(({ name }) => name === input)?.link ?? null) !== null;
}

/**
 * The node at the other end of an input, behind any reroutes and out of any subgraphs.
 *
 * @param {GraphNode} node
 * @param {string} input
 * @returns {GraphNode | null}
 */
export function origin(node, input) {
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
 * The node that a subgraph is the inside of; of several, the one through which it was opened last.
 *
 * @param {Graph} subgraph
 * @returns {GraphNode | null}
 */
function holderOf(subgraph) {
  const opened = entrances.get(subgraph);
  return opened?.graph ? opened : firstHolder(subgraph, rootGraph());
}

/**
 * @param {Graph} subgraph
 * @param {Graph} within
 * @returns {GraphNode | null}
 */
function firstHolder(subgraph, within) {
  for (const outer of within?.nodes ?? []) {
    if (!outer.subgraph) continue;
    const found = outer.subgraph === subgraph ? outer : firstHolder(subgraph, outer.subgraph);
    if (found) return found;
  }
  return null;
}
