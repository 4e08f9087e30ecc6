/**
 * Where the image lies in the widget: screen = image * scale + (x, y). Screen positions are CSS
 * pixels of the widget's own layout, before any zoom of the graph.
 *
 * @typedef {{scale: number, x: number, y: number}} View
 * @typedef {{x: number, y: number}} Position
 * @typedef {import("./state.js").Size} Size
 */

const MARGIN = 6;
const MAX_SCALE = 32;

/**
 * The whole image, centred, as large as it fits.
 *
 * @param {Size} image
 * @param {Size} area  the widget
 * @returns {View}
 */
export function fit(image, area) {
  const scale = Math.max(
    1e-6,
    Math.min((area.width - 2 * MARGIN) / image.width, (area.height - 2 * MARGIN) / image.height),
  );
  return settle({ scale, x: 0, y: 0 }, image, area);
}

/**
 * Zoom by `factor` and keep the image position under `at` where it is. Never smaller than `fit`.
 *
 * @param {View} view
 * @param {number} factor
 * @param {Position} at  on the screen
 * @param {Size} image
 * @param {Size} area
 * @returns {View}
 */
export function zoomAt(view, factor, at, image, area) {
  const least = fit(image, area).scale;
  const scale = Math.max(least, Math.min(Math.max(MAX_SCALE, least), view.scale * factor));
  const ratio = scale / view.scale;
  const x = at.x - (at.x - view.x) * ratio;
  const y = at.y - (at.y - view.y) * ratio;
  return settle({ scale, x, y }, image, area);
}

/**
 * @param {View} view
 * @param {number} dx  screen pixels
 * @param {number} dy
 * @param {Size} image
 * @param {Size} area
 * @returns {View}
 */
export function pan(view, dx, dy, image, area) {
  return settle({ ...view, x: view.x + dx, y: view.y + dy }, image, area);
}

/**
 * The same part of the image after the widget changed its size.
 *
 * @param {View} view
 * @param {Size} image
 * @param {Size} before
 * @param {Size} after
 * @returns {View}
 */
export function resized(view, image, before, after) {
  const whole = fit(image, before).scale;
  const middle = toImage(view, { x: before.width / 2, y: before.height / 2 });
  const scale = fit(image, after).scale * Math.max(1, view.scale / whole);
  const x = after.width / 2 - middle.x * scale;
  const y = after.height / 2 - middle.y * scale;
  return settle({ scale, x, y }, image, after);
}

/**
 * @param {View} view
 * @param {Position} at  on the screen
 * @returns {Position} on the image, 0 at its left and top edge
 */
export function toImage(view, at) {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}

/**
 * @param {View} view
 * @param {Position} at  on the image
 * @returns {Position} on the screen
 */
export function toScreen(view, at) {
  return { x: at.x * view.scale + view.x, y: at.y * view.scale + view.y };
}

/**
 * Centre the image where it is smaller than the widget; elsewhere leave no gap at its sides.
 *
 * @param {View} view
 * @param {Size} image
 * @param {Size} area
 * @returns {View}
 */
function settle(view, image, area) {
  return {
    scale: view.scale,
    x: settleAxis(view.x, image.width * view.scale, area.width),
    y: settleAxis(view.y, image.height * view.scale, area.height),
  };
}

/**
 * @param {number} start
 * @param {number} length  of the image on the screen
 * @param {number} room
 * @returns {number}
 */
function settleAxis(start, length, room) {
  if (length <= room - 2 * MARGIN) return (room - length) / 2;
  return Math.min(MARGIN, Math.max(room - MARGIN - length, start));
}
