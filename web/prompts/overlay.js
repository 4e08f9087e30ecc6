/**
 * The mask that the node sends, tinted. It comes as a grey image whose values are object numbers:
 * 0 nothing, 1 the first object, and so on.
 */

import { colourOf } from "./paint.js";

const INSIDE = 110;
const EDGE = 255;

/**
 * Give every object its colour, translucent inside and opaque along its edge.
 *
 * @param {ImageData} labels  object numbers in the red channel; changed in place
 * @returns {ImageData}
 */
export function tint(labels) {
  const { data, width, height } = labels;
  const numbers = new Uint8Array(width * height);
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = data[4 * i] ?? 0;
  const colours = Array.from({ length: 256 }, (_, value) => rgb(colourOf(Math.max(0, value - 1))));
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 1) {
      const value = /** @type {number} */ (numbers[i]);
      const [red, green, blue] = /** @type {[number, number, number]} */ (colours[value]);
      data[4 * i] = red;
      data[4 * i + 1] = green;
      data[4 * i + 2] = blue;
      data[4 * i + 3] = value === 0 ? 0 : onEdge(numbers, i, x, y, width, height) ? EDGE : INSIDE;
    }
  }
  return labels;
}

/**
 * @param {Uint8Array} numbers
 * @param {number} i
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function onEdge(numbers, i, x, y, width, height) {
  const value = numbers[i];
  return (
    (x > 0 && numbers[i - 1] !== value) ||
    (x < width - 1 && numbers[i + 1] !== value) ||
    (y > 0 && numbers[i - width] !== value) ||
    (y < height - 1 && numbers[i + width] !== value)
  );
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
 * @param {HTMLImageElement} image  the label image, loaded
 * @returns {HTMLCanvasElement}
 */
export function tinted(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const ctx = canvas.getContext("2d", { willReadFrequently: true });
  if (!ctx) throw new Error("no 2D canvas");
  ctx.drawImage(image, 0, 0);
  ctx.putImageData(tint(ctx.getImageData(0, 0, canvas.width, canvas.height)), 0, 0);
  return canvas;
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
