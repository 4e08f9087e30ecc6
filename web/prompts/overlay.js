/**
 * The mask that the node sends, ready to draw. It comes as a grey image whose values are object
 * numbers: 0 nothing, 1 the first object, and so on. For masks with soft edges it is in colour: red
 * that number, where the mask is at least half; green the number of the object whose mask is the
 * strongest; blue how strong it is.
 *
 * @typedef {object} Overlay
 * @property {HTMLCanvasElement} fill  translucent, one pixel a label
 * @property {[string, Path2D][]} outlines  a colour and its lines, in pixels of `fill`
 * @property {boolean} soft  the outlines are where the masks are half as strong, not their ends
 */

import { colourOf } from "./paint.js";

const INSIDE = 100;

/**
 * Give every object its colour, translucent.
 *
 * @param {ImageData} labels  object numbers in the red channel; changed in place
 * @param {boolean} soft  the masks have soft edges
 * @returns {ImageData}
 */
export function tint(labels, soft) {
  const { data } = labels;
  const colours = new Uint8Array(4 * 256);
  for (let value = 1; value < 256; value += 1) {
    colours.set([...rgb(colourOf(value - 1)), INSIDE], 4 * value);
  }
  // A pixel at a time, whatever order the machine keeps its bytes in.
  const pixels = new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
  const palette = new Uint32Array(colours.buffer);
  const number = soft ? 1 : 0;
  for (let i = 0, at = 0; i < pixels.length; i += 1, at += 4) {
    const strength = /** @type {number} */ (data[at + 2]);
    pixels[i] = /** @type {number} */ (palette[/** @type {number} */ (data[at + number])]);
    if (soft) data[at + 3] = (INSIDE * strength) / 255;
  }
  return labels;
}

/**
 * The borders between objects and around them, along the pixels' edges; where two objects meet,
 * the line is the higher number's. The image's own border is none.
 *
 * @param {ImageData} labels  object numbers in the red channel
 * @returns {Map<number, number[]>} for each number its lines: x0, y0, x1, y1 and so on, in pixels
 */
export function outline({ data, width, height }) {
  /** @type {Map<number, number[]>} */
  const lines = new Map();
  const add = (/** @type {number} */ owner, /** @type {number[]} */ ...line) => {
    const held = lines.get(owner);
    if (held) held.push(...line);
    else lines.set(owner, line);
  };
  const sides = new Uint8Array(width);
  const since = new Int32Array(width);
  for (let y = 0, i = 0; y < height; y += 1) {
    let top = 0;
    let from = 0;
    for (let x = 0; x < width; x += 1, i += 4) {
      const here = /** @type {number} */ (data[i]);
      const above = y ? border(here, data[i - 4 * width]) : 0;
      if (above !== top) {
        if (top) add(top, from, y, x, y);
        top = above;
        from = x;
      }
      const side = x ? border(here, data[i - 4]) : 0;
      const before = /** @type {number} */ (sides[x]);
      if (side !== before) {
        if (before) add(before, x, /** @type {number} */ (since[x]), x, y);
        sides[x] = side;
        since[x] = y;
      }
    }
    if (top) add(top, from, y, width, y);
  }
  sides.forEach((side, x) => side && add(side, x, /** @type {number} */ (since[x]), x, height));
  return lines;
}

/**
 * @param {number} a
 * @param {number | undefined} b  the number beside it
 * @returns {number} whose line runs between them; 0 for none
 */
function border(a, b) {
  return a === b ? 0 : Math.max(a, b ?? 0);
}

/**
 * @param {string} colour  "#rrggbb"
 * @returns {[number, number, number]}
 */
function rgb(colour) {
  const value = parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * @param {{url: string, soft: boolean}} result  url: of the label image
 * @returns {Promise<Overlay>}
 */
export async function loadOverlay({ url, soft }) {
  const image = await loadImage(url);
  const fill = document.createElement("canvas");
  fill.width = image.naturalWidth;
  fill.height = image.naturalHeight;
  const ctx = fill.getContext("2d", { willReadFrequently: true });
  if (!ctx) throw new Error("no 2D canvas");
  ctx.drawImage(image, 0, 0);
  const labels = ctx.getImageData(0, 0, fill.width, fill.height);
  const outlines = [...outline(labels)].map(
    ([number, lines]) => /** @type {[string, Path2D]} */ ([colourOf(number - 1), path(lines)]),
  );
  ctx.putImageData(tint(labels, soft), 0, 0);
  return { fill, outlines, soft };
}

/**
 * @param {number[]} lines
 * @returns {Path2D}
 */
function path(lines) {
  const made = new Path2D();
  for (let i = 0; i < lines.length; i += 4) {
    made.moveTo(Number(lines[i]), Number(lines[i + 1]));
    made.lineTo(Number(lines[i + 2]), Number(lines[i + 3]));
  }
  return made;
}

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement>}
 */
export async function loadImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
