/**
 * Draws the prompts: boxes, points, names, the keyboard's cursor.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").PromptObject} PromptObject
 * @typedef {import("./state.js").Item} Item
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").Position} Position
 *
 * @typedef {object} Scene
 * @property {State} state
 * @property {View} view
 * @property {{width: number}} area  of the canvas, in its own pixels
 * @property {number} unit  how much larger than usual everything is, where the graph is small
 * @property {number} active
 * @property {Item | null} selected
 * @property {Item | null} hovered
 * @property {import("./state.js").Box | null} rubber  a box being dragged
 * @property {{x: number, y: number} | null} cursor  the keyboard's pixel
 */

import { centre, handles } from "./hit.js";
import { toScreen } from "./view.js";

/** One colour an object, told apart by people with any colour vision. */
export const COLOURS = [
  "#2f9bff",
  "#ff8c1a",
  "#22c76b",
  "#f04fa5",
  "#f5d327",
  "#9d73ff",
  "#19d3da",
  "#ff5d52",
];

const HALO = "rgba(0, 0, 0, 0.65)";
const POINT_RADIUS = 6.5;
const HANDLE = 3.5;
/** Where the graph is so small that everything is drawn larger than this, names would cover it. */
const ROOM_FOR_NAMES = 1.5;

/** After all colours they come again lighter, then darker: what is mixed in, and how much. */
const ROUNDS = [
  { mixed: 0, share: 0 },
  { mixed: 255, share: 0.5 },
  { mixed: 0, share: 0.45 },
];

/**
 * @param {number} index
 * @returns {string}  "#rrggbb"
 */
export function colourOf(index) {
  const colour = /** @type {string} */ (COLOURS[index % COLOURS.length]);
  const round = Math.floor(index / COLOURS.length) % ROUNDS.length;
  const { mixed, share } = /** @type {{mixed: number, share: number}} */ (ROUNDS[round]);
  const parts = [1, 3, 5].map((at) => {
    const own = parseInt(colour.slice(at, at + 2), 16);
    return Math.round(own + (mixed - own) * share)
      .toString(16)
      .padStart(2, "0");
  });
  return `#${parts.join("")}`;
}

/**
 * Draw in CSS pixels of the widget; the caller has scaled the context for the screen.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
export function paint(ctx, scene) {
  const order = scene.state.objects.map((_, i) => i).filter((i) => i !== scene.active);
  for (const index of [...order, scene.active]) {
    const object = scene.state.objects[index];
    if (object) paintObject(ctx, scene, object, index);
  }
  if (scene.rubber) paintBox(ctx, scene, scene.rubber, colourOf(scene.active), true);
  if (scene.cursor) paintCursor(ctx, scene, scene.cursor);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {PromptObject} object
 * @param {number} index
 */
function paintObject(ctx, scene, object, index) {
  const { view, active, selected, hovered } = scene;
  const colour = colourOf(index);
  ctx.globalAlpha = index === active ? 1 : 0.85;
  if (object.box) {
    const lit = isItem(selected, index, -1) || isItem(hovered, index, -1);
    paintBox(ctx, scene, object.box, colour, false);
    if (index === active || lit) paintHandles(ctx, scene, object.box, lit);
  }
  object.points.forEach((point, i) => {
    const size = scene.unit * (isItem(hovered, index, i) ? 1.25 : 1);
    const at = toScreen(view, centre(point));
    paintPoint(ctx, at, point.label, colour, isItem(selected, index, i), size);
  });
  paintName(ctx, scene, object, colour);
  ctx.globalAlpha = 1;
}

/**
 * @param {Item | null} item
 * @param {number} object
 * @param {number} index  of a point, or -1 for the box
 */
function isItem(item, object, index) {
  if (item?.object !== object) return false;
  return item.kind === "point" ? item.index === index : index === -1;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Position} at
 * @param {0 | 1} label
 * @param {string} colour
 * @param {boolean} selected
 * @param {number} size  1 as usual
 */
function paintPoint(ctx, at, label, colour, selected, size) {
  const radius = POINT_RADIUS * size;
  disc(ctx, at, radius + (selected ? 4 : 2) * size, selected ? "#fff" : HALO);
  if (selected) disc(ctx, at, radius + 1.5 * size, "#000");
  disc(ctx, at, radius, label ? colour : "#fff");
  if (!label) disc(ctx, at, radius - 1.8 * size, "#111");
  const arm = radius * (label ? 0.55 : 0.45);
  for (const [width, dark] of /** @type {[number, boolean][]} */ ([[3.4, true], [1.8, false]])) {
    ctx.strokeStyle = dark ? HALO : "#fff";
    ctx.lineWidth = width * size;
    ctx.beginPath();
    ctx.moveTo(at.x - arm, at.y);
    ctx.lineTo(at.x + arm, at.y);
    if (label) {
      ctx.moveTo(at.x, at.y - arm);
      ctx.lineTo(at.x, at.y + arm);
    }
    ctx.stroke();
  }
  if (!label) ring(ctx, at, radius, colour, 2 * size);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Position} at
 * @param {number} radius
 * @param {string} colour
 */
function disc(ctx, at, radius, colour) {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  ctx.fill();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Position} at
 * @param {number} radius
 * @param {string} colour
 * @param {number} width
 */
function ring(ctx, at, radius, colour, width) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {import("./state.js").Box} box
 * @param {string} colour
 * @param {boolean} dashed
 */
function paintBox(ctx, { view, unit }, box, colour, dashed) {
  const { x, y } = toScreen(view, box);
  const [width, height] = [box.width * view.scale, box.height * view.scale];
  ctx.lineWidth = 4 * unit;
  ctx.strokeStyle = HALO;
  ctx.strokeRect(x, y, width, height);
  ctx.lineWidth = 2 * unit;
  ctx.strokeStyle = colour;
  ctx.setLineDash(dashed ? [6 * unit, 4 * unit] : []);
  ctx.strokeRect(x, y, width, height);
  ctx.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {import("./state.js").Box} box
 * @param {boolean} lit
 */
function paintHandles(ctx, { view, unit }, box, lit) {
  const half = HANDLE * unit;
  for (const [, place] of handles(box)) {
    const { x, y } = toScreen(view, place);
    ctx.fillStyle = HALO;
    ctx.fillRect(x - half - unit, y - half - unit, 2 * (half + unit), 2 * (half + unit));
    ctx.fillStyle = lit ? "#ffe27a" : "#fff";
    ctx.fillRect(x - half, y - half, 2 * half, 2 * half);
  }
}

/**
 * The object's name above its box, or beside its first point; on the picture where there is no
 * room above.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {PromptObject} object
 * @param {string} colour
 */
function paintName(ctx, { view, area, unit }, { name, box, points }, colour) {
  const first = points[0];
  const place = box ?? (first && centre(first));
  if (!name || !place || unit > ROOM_FOR_NAMES) return;
  const { x, y } = toScreen(view, place);
  const height = 16 * unit;
  ctx.font = `${12 * unit}px sans-serif`;
  const width = ctx.measureText(name).width + 8 * unit;
  const left = nameLeft(x, width, area.width, box ? -unit : 12 * unit);
  const above = box ? y - height - unit : y - height / 2;
  const top = above < 0 ? Math.max(0, y) + unit : above;
  ctx.fillStyle = colour;
  ctx.fillRect(left, top, width, height);
  ctx.fillStyle = "#000";
  ctx.fillText(name, left + 4 * unit, top + height - 4 * unit);
}

/**
 * Where a name begins: `gap` to the right of its place, or to the left of that where the canvas
 * ends before the name would; on the canvas in any case.
 *
 * @param {number} x  its place
 * @param {number} width  of the name
 * @param {number} room  width of the canvas
 * @param {number} gap
 */
export function nameLeft(x, width, room, gap) {
  const right = x + gap;
  if (right + width <= room) return right;
  return Math.max(0, gap > 0 ? x - gap - width : room - width);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {{x: number, y: number}} pixel
 */
function paintCursor(ctx, { view, unit }, pixel) {
  const { x, y } = toScreen(view, centre(pixel));
  for (const [width, colour] of /** @type {[number, string][]} */ ([[4, HALO], [1.5, "#fff"]])) {
    ctx.lineWidth = width * unit;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (const [dx, dy] of /** @type {[number, number][]} */ ([[1, 0], [-1, 0], [0, 1], [0, -1]])) {
      ctx.moveTo(x + 4 * unit * dx, y + 4 * unit * dy);
      ctx.lineTo(x + 14 * unit * dx, y + 14 * unit * dy);
    }
    ctx.stroke();
  }
}
