/**
 * Which key does what.
 *
 * @typedef {"undo" | "redo" | "delete" | "clear" | "fit" | "zoomIn" | "zoomOut" | "deselect"
 *   | "include" | "exclude" | "newObject" | "nextItem" | "previousItem" | "live" | "run"
 *   | "mode" | "clickIncludes" | "clickExcludes" | "mask" | "dropOutside" | "expand"
 *   | "help"} Command
 * @typedef {{command: Command} | {object: number} | {nudge: [number, number]}} Order
 *
 * @typedef {object} Key
 * @property {string} key
 * @property {boolean} ctrlKey
 * @property {boolean} metaKey
 * @property {boolean} altKey
 * @property {boolean} shiftKey
 */

/** @type {Record<string, Command>} */
const PLAIN = {
  delete: "delete",
  backspace: "delete",
  escape: "deselect",
  enter: "include",
  "+": "zoomIn",
  "=": "zoomIn",
  "-": "zoomOut",
  0: "fit",
  n: "newObject",
  l: "live",
  r: "run",
  x: "mode",
  m: "mask",
  f: "expand",
  "?": "help",
  ".": "nextItem",
  ",": "previousItem",
};

/** @type {Record<string, [number, number]>} */
const ARROWS = {
  arrowleft: [-1, 0],
  arrowright: [1, 0],
  arrowup: [0, -1],
  arrowdown: [0, 1],
};

/**
 * What a key asks for, or null where it is none of the editor's and the page should have it.
 *
 * @param {Key} event
 * @returns {Order | null}
 */
export function orderOf(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) return event.altKey ? null : withControl(key, event.shiftKey);
  const arrow = ARROWS[key];
  if (arrow) {
    const step = event.shiftKey ? 10 : 1;
    return { nudge: [arrow[0] * step, arrow[1] * step] };
  }
  if (event.altKey) return key === "enter" ? { command: "exclude" } : null;
  if (key >= "1" && key <= "9" && key.length === 1) return { object: Number(key) - 1 };
  const command = PLAIN[key];
  if (command === "delete" && event.shiftKey) return { command: "clear" };
  return command ? { command } : null;
}

/**
 * @param {string} key
 * @param {boolean} shift
 * @returns {Order | null}
 */
function withControl(key, shift) {
  if (key === "z") return { command: shift ? "redo" : "undo" };
  if (key === "y" && !shift) return { command: "redo" };
  return null;
}
