/**
 * The image with the mask over it. Drawn once for each view and then kept, so that moving a point
 * over a large picture costs no more than over a small one.
 *
 * @typedef {import("./view.js").View} View
 * @typedef {import("./state.js").Size} Size
 * @typedef {import("./overlay.js").Overlay} Overlay
 *
 * @typedef {object} Ground
 * @property {View} view
 * @property {Size} size  of the image, in pixels
 * @property {Size} area  of the widget
 * @property {number} ratio  canvas pixels to one of the widget
 * @property {number} unit  how much larger than usual lines are drawn
 * @property {CanvasImageSource} picture  drawn over the whole image
 * @property {Overlay | null} overlay  likewise
 * @property {boolean} dim  the overlay belongs to earlier prompts
 */

const HALO = "rgba(0, 0, 0, 0.8)";
const LINE = 1.6;

export class Backdrop {
  #canvas = document.createElement("canvas");
  /** @type {unknown[]} */
  #drawn = [];

  /**
   * @param {CanvasRenderingContext2D} ctx  scaled so that it takes the widget's pixels
   * @param {Ground} ground
   */
  paint(ctx, ground) {
    const { view, size, area, ratio, unit, picture, overlay, dim } = ground;
    const now = [view, size, area, ratio, unit, picture, overlay, dim];
    if (now.some((value, i) => value !== this.#drawn[i])) {
      this.#drawn = now;
      this.#canvas.width = ctx.canvas.width;
      this.#canvas.height = ctx.canvas.height;
      const own = this.#canvas.getContext("2d");
      own?.setTransform(ratio, 0, 0, ratio, 0, 0);
      if (own) draw(own, ground);
    }
    ctx.drawImage(this.#canvas, 0, 0, area.width, area.height);
  }
}

/**
 * A canvas of a part of the widget, cleared, that takes the widget's pixels.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Size} area
 * @param {number} ratio  canvas pixels to one of the widget
 */
export function cleared(canvas, { width, height }, ratio) {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const ctx = canvas.getContext("2d");
  ctx?.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx?.clearRect(0, 0, width, height);
  return ctx;
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {Ground} ground
 */
function draw(ctx, { view, size, unit, picture, overlay, dim }) {
  const [width, height] = [size.width * view.scale, size.height * view.scale];
  ctx.imageSmoothingEnabled = view.scale < 4;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture, view.x, view.y, width, height);
  if (!overlay) return;
  ctx.globalAlpha = dim ? 0.45 : 1;
  ctx.drawImage(overlay.fill, view.x, view.y, width, height);
  ctx.translate(view.x, view.y);
  ctx.scale(width / overlay.fill.width, height / overlay.fill.height);
  ctx.lineCap = "square";
  const pixel = (unit * overlay.fill.width) / width;
  for (const [extra, dark] of /** @type {[number, boolean][]} */ ([[1.6, true], [0, false]])) {
    ctx.lineWidth = (LINE + extra) * pixel;
    for (const [colour, lines] of overlay.outlines) {
      ctx.strokeStyle = dark ? HALO : colour;
      ctx.stroke(lines);
    }
  }
}
