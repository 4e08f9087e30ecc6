/**
 * Draws the editor: the image, the mask over it, boxes and points.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").PromptObject} PromptObject
 * @typedef {import("./state.js").Item} Item
 * @typedef {import("./state.js").Size} Size
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").Position} Position
 *
 * @typedef {object} Scene
 * @property {State} state
 * @property {View} view
 * @property {Size} size  of the image, in pixels
 * @property {CanvasImageSource | null} picture  drawn over the whole image
 * @property {CanvasImageSource | null} overlay  the tinted mask, likewise
 * @property {boolean} dim  the overlay belongs to earlier prompts
 * @property {number} active
 * @property {Item | null} selected
 * @property {import("./state.js").Box | null} rubber  a box being dragged
 * @property {{x: number, y: number} | null} cursor  the keyboard's pixel
 */

import { centre, handles } from "./hit.js";
import { toScreen } from "./view.js";

/** One colour an object, told apart by people with any colour vision; then they repeat. */
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

/**
 * @param {number} index
 * @returns {string}
 */
export function colourOf(index) {
  return /** @type {string} */ (COLOURS[index % COLOURS.length]);
}

/**
 * Draw in CSS pixels of the widget; the caller has scaled the context for the screen.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
export function paint(ctx, scene) {
  paintImage(ctx, scene);
  const order = scene.state.objects.map((_, i) => i).filter((i) => i !== scene.active);
  for (const index of [...order, scene.active]) {
    const object = scene.state.objects[index];
    if (object) paintObject(ctx, scene, object, index);
  }
  if (scene.rubber) paintBox(ctx, scene.view, scene.rubber, colourOf(scene.active), true);
  if (scene.cursor) paintCursor(ctx, scene.view, scene.cursor);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 */
function paintImage(ctx, { view, size, picture, overlay, dim }) {
  const [width, height] = [size.width * view.scale, size.height * view.scale];
  ctx.imageSmoothingEnabled = view.scale < 4;
  if (picture) ctx.drawImage(picture, view.x, view.y, width, height);
  if (!overlay) return;
  ctx.globalAlpha = dim ? 0.45 : 1;
  ctx.drawImage(overlay, view.x, view.y, width, height);
  ctx.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Scene} scene
 * @param {PromptObject} object
 * @param {number} index
 */
function paintObject(ctx, scene, object, index) {
  const { view, active, selected } = scene;
  const colour = colourOf(index);
  ctx.globalAlpha = index === active ? 1 : 0.75;
  if (object.box) {
    paintBox(ctx, view, object.box, colour, false);
    if (index === active) paintHandles(ctx, view, object.box, isSelected(selected, index, -1));
    paintName(ctx, view, object, colour);
  }
  object.points.forEach((point, i) => {
    const at = toScreen(view, centre(point));
    paintPoint(ctx, at, point.label, colour, isSelected(selected, index, i));
  });
  ctx.globalAlpha = 1;
}

/**
 * @param {Item | null} selected
 * @param {number} object
 * @param {number} index  of a point, or -1 for the box
 */
function isSelected(selected, object, index) {
  if (selected?.object !== object) return false;
  return selected.kind === "point" ? selected.index === index : index === -1;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Position} at
 * @param {0 | 1} label
 * @param {string} colour
 * @param {boolean} selected
 */
function paintPoint(ctx, at, label, colour, selected) {
  disc(ctx, at, POINT_RADIUS + (selected ? 4 : 2), selected ? "#fff" : HALO);
  if (selected) disc(ctx, at, POINT_RADIUS + 1.5, "#000");
  disc(ctx, at, POINT_RADIUS, label ? colour : "#fff");
  if (!label) disc(ctx, at, POINT_RADIUS - 1.8, "#111");
  const arm = label ? POINT_RADIUS * 0.55 : POINT_RADIUS * 0.45;
  ctx.strokeStyle = "#fff";
  ctx.lineWidth = 1.8;
  ctx.beginPath();
  ctx.moveTo(at.x - arm, at.y);
  ctx.lineTo(at.x + arm, at.y);
  if (label) {
    ctx.moveTo(at.x, at.y - arm);
    ctx.lineTo(at.x, at.y + arm);
  }
  ctx.stroke();
  if (!label) ring(ctx, at, POINT_RADIUS, colour);
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
 */
function ring(ctx, at, radius, colour) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {View} view
 * @param {import("./state.js").Box} box
 * @param {string} colour
 * @param {boolean} dashed
 */
function paintBox(ctx, view, box, colour, dashed) {
  const { x, y } = toScreen(view, box);
  const [width, height] = [box.width * view.scale, box.height * view.scale];
  ctx.lineWidth = 4;
  ctx.strokeStyle = HALO;
  ctx.strokeRect(x, y, width, height);
  ctx.lineWidth = 2;
  ctx.strokeStyle = colour;
  ctx.setLineDash(dashed ? [6, 4] : []);
  ctx.strokeRect(x, y, width, height);
  ctx.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {View} view
 * @param {import("./state.js").Box} box
 * @param {boolean} selected
 */
function paintHandles(ctx, view, box, selected) {
  for (const [, place] of handles(box)) {
    const { x, y } = toScreen(view, place);
    ctx.fillStyle = HALO;
    ctx.fillRect(x - HANDLE - 1, y - HANDLE - 1, 2 * HANDLE + 2, 2 * HANDLE + 2);
    ctx.fillStyle = selected ? "#ffe27a" : "#fff";
    ctx.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  }
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {View} view
 * @param {PromptObject} object
 * @param {string} colour
 */
function paintName(ctx, view, object, colour) {
  if (!object.name || !object.box) return;
  const { x, y } = toScreen(view, object.box);
  ctx.font = "12px sans-serif";
  const width = ctx.measureText(object.name).width + 8;
  ctx.fillStyle = colour;
  ctx.fillRect(x - 1, y - 17, width, 16);
  ctx.fillStyle = "#000";
  ctx.fillText(object.name, x + 3, y - 5);
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {View} view
 * @param {{x: number, y: number}} pixel
 */
function paintCursor(ctx, view, pixel) {
  const { x, y } = toScreen(view, centre(pixel));
  for (const [width, colour] of /** @type {[number, string][]} */ ([
    [4, HALO],
    [1.5, "#fff"],
  ])) {
    ctx.lineWidth = width;
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      ctx.moveTo(x + 4 * Number(dx), y + 4 * Number(dy));
      ctx.lineTo(x + 14 * Number(dx), y + 14 * Number(dy));
    }
    ctx.stroke();
  }
}
