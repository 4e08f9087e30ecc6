/**
 * The prompts of one node, as values: reading, writing and editing them. No DOM here.
 *
 * A state is never changed in place; every edit returns a new one. Coordinates are whole pixels of
 * the image: a point (x, y) means the pixel in column x and row y, a box covers columns x to
 * x + width - 1. An object always has a point or a box: taking its last one away removes it.
 *
 * @typedef {{x: number, y: number, label: 0 | 1}} Point  label 1 = include, 0 = exclude
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{points: readonly Point[], box: Box | null, name: string}} PromptObject
 * @typedef {{objects: readonly PromptObject[]}} State
 * @typedef {{width: number, height: number}} Size
 * @typedef {{object: number, kind: "point", index: number} | {object: number, kind: "box"}} Item
 */

export const VERSION = 1;

/** @type {State} */
export const EMPTY = Object.freeze({ objects: Object.freeze([]) });

/** @type {PromptObject} */
const NEW_OBJECT = Object.freeze({ points: Object.freeze([]), box: null, name: "" });

/**
 * Read what `write` wrote; an empty text is no objects. Also reads a bare list of points
 * `[{"x": .., "y": ..}]`, as other packs store them: one object of included points.
 *
 * @param {string} text
 * @returns {State}
 * @throws {Error} when the text is neither
 */
export function read(text) {
  if (text.trim() === "") return EMPTY;
  const data = JSON.parse(text);
  if (Array.isArray(data)) return data.length ? { objects: [readObject({ points: data })] } : EMPTY;
  if (data?.version !== VERSION || !Array.isArray(data.objects)) {
    throw new Error(`wanted version ${VERSION} with a list of objects`);
  }
  return { objects: data.objects.map(readObject).filter(hasPrompt) };
}

/**
 * The text that is saved in the workflow and sent to the node.
 *
 * @param {State} state
 * @returns {string}
 */
export function write(state) {
  if (!state.objects.length) return "";
  return JSON.stringify({ version: VERSION, objects: state.objects });
}

/**
 * @param {any} data
 * @returns {PromptObject}
 */
function readObject(data) {
  const points = (data?.points ?? []).map((/** @type {any} */ point) => ({
    x: readNumber(point?.x),
    y: readNumber(point?.y),
    label: point?.label === 0 ? 0 : 1,
  }));
  const from = data?.box;
  const box = from
    ? {
        x: readNumber(from.x),
        y: readNumber(from.y),
        width: readNumber(from.width),
        height: readNumber(from.height),
      }
    : null;
  return { points, box, name: typeof data?.name === "string" ? data.name : "" };
}

/**
 * @param {unknown} value
 * @returns {number}
 */
function readNumber(value) {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Error(`wanted a number, got ${JSON.stringify(value)}`);
}

/**
 * @param {PromptObject} object
 * @returns {boolean}
 */
function hasPrompt(object) {
  return object.points.length > 0 || object.box !== null;
}

/**
 * Replace one object; `index` equal to the number of objects adds one.
 *
 * @param {State} state
 * @param {number} index
 * @param {Partial<PromptObject>} part
 * @returns {State}
 */
function change(state, index, part) {
  const objects = [...state.objects];
  objects[index] = { ...(objects[index] ?? NEW_OBJECT), ...part };
  return { objects: objects.filter(hasPrompt) };
}

/**
 * @param {State} state
 * @param {number} object  which object, or the number of objects for a new one
 * @param {Point} point
 * @returns {State}
 */
export function addPoint(state, object, point) {
  return change(state, object, { points: [...(state.objects[object]?.points ?? []), point] });
}

/**
 * Give an object its box, in place of the one it had.
 *
 * @param {State} state
 * @param {number} object  which object, or the number of objects for a new one
 * @param {Box} box
 * @returns {State}
 */
export function setBox(state, object, box) {
  return change(state, object, { box });
}

/**
 * @param {State} state
 * @param {number} object
 * @param {string} name  the label that the object's regions get
 * @returns {State}
 */
export function rename(state, object, name) {
  return state.objects[object] ? change(state, object, { name }) : state;
}

/**
 * Move a point, or a box as a whole, by whole pixels; it stays inside the image.
 *
 * @param {State} state
 * @param {Item} item
 * @param {number} dx
 * @param {number} dy
 * @param {Size} size
 * @returns {State}
 */
export function moveItem(state, item, dx, dy, size) {
  const object = state.objects[item.object];
  if (item.kind === "box") {
    if (!object?.box) return state;
    const { x, y, width, height } = object.box;
    const left = clamp(x + Math.round(dx), 0, size.width - width);
    const top = clamp(y + Math.round(dy), 0, size.height - height);
    return change(state, item.object, { box: { x: left, y: top, width, height } });
  }
  const point = object?.points[item.index];
  if (!object || !point) return state;
  const moved = {
    ...pixelAt({ x: point.x + Math.round(dx), y: point.y + Math.round(dy) }, size),
    label: point.label,
  };
  const points = object.points.map((other, i) => (i === item.index ? moved : other));
  return change(state, item.object, { points });
}

/**
 * @param {State} state
 * @param {Item} item
 * @returns {State}
 */
export function removeItem(state, item) {
  const object = state.objects[item.object];
  if (!object) return state;
  if (item.kind === "box") return change(state, item.object, { box: null });
  const points = object.points.filter((_, i) => i !== item.index);
  return change(state, item.object, { points });
}

/**
 * @param {State} state
 * @param {number} index
 * @returns {State}
 */
export function removeObject(state, index) {
  return { objects: state.objects.filter((_, i) => i !== index) };
}

/**
 * The pixel under a position of the image, clamped to the image.
 *
 * @param {{x: number, y: number}} at  in pixels, 0 at the image's left and top edge
 * @param {Size} size
 * @returns {{x: number, y: number}}
 */
export function pixelAt(at, size) {
  return {
    x: clamp(Math.floor(at.x), 0, size.width - 1),
    y: clamp(Math.floor(at.y), 0, size.height - 1),
  };
}

/**
 * The smallest box of whole pixels around two corners, cut to the image. At least one pixel.
 *
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 * @param {Size} size
 * @returns {Box}
 */
export function boxBetween(a, b, size) {
  const x = clamp(Math.floor(Math.min(a.x, b.x)), 0, size.width - 1);
  const y = clamp(Math.floor(Math.min(a.y, b.y)), 0, size.height - 1);
  const right = clamp(Math.ceil(Math.max(a.x, b.x)), x + 1, size.width);
  const bottom = clamp(Math.ceil(Math.max(a.y, b.y)), y + 1, size.height);
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * Drag one handle of a box: "n", "s", "e", "w" or two of them. Dragging past the other side turns
 * the box over.
 *
 * @param {Box} box
 * @param {string} handle
 * @param {number} dx  pixels
 * @param {number} dy
 * @param {Size} size
 * @returns {Box}
 */
export function resizeBox(box, handle, dx, dy, size) {
  const a = { x: box.x, y: box.y };
  const b = { x: box.x + box.width, y: box.y + box.height };
  if (handle.includes("w")) a.x += dx;
  if (handle.includes("e")) b.x += dx;
  if (handle.includes("n")) a.y += dy;
  if (handle.includes("s")) b.y += dy;
  return boxBetween(
    { x: Math.round(a.x), y: Math.round(a.y) },
    { x: Math.round(b.x), y: Math.round(b.y) },
    size,
  );
}

/**
 * The items that lie wholly outside an image, so that the editor can say so before the node does.
 *
 * @param {State} state
 * @param {Size} size
 * @returns {number} how many
 */
export function countOutside(state, size) {
  let count = 0;
  for (const { points, box } of state.objects) {
    count += points.filter((point) => !holds(size, point)).length;
    if (box && !overlaps(box, size)) count += 1;
  }
  return count;
}

/**
 * Without the points that lie outside an image; boxes are cut to it, and go where nothing is left.
 *
 * @param {State} state
 * @param {Size} size
 * @returns {State}
 */
export function dropOutside(state, size) {
  const objects = state.objects.map(({ points, box, name }) => ({
    points: points.filter((point) => holds(size, point)),
    box: box && overlaps(box, size) ? cut(box, size) : null,
    name,
  }));
  return { objects: objects.filter(hasPrompt) };
}

/**
 * @param {Size} size
 * @param {{x: number, y: number}} place
 */
export function holds({ width, height }, { x, y }) {
  return x >= 0 && y >= 0 && x < width && y < height;
}

/**
 * @param {Box} box
 * @param {Size} size
 */
function overlaps({ x, y, width, height }, size) {
  return x < size.width && y < size.height && x + width > 0 && y + height > 0;
}

/**
 * @param {Box} box
 * @param {Size} size
 */
function cut({ x, y, width, height }, size) {
  return boxBetween({ x, y }, { x: x + width, y: y + height }, size);
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {number}
 */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
