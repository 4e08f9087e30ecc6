/**
 * The image with the mask over it, each on a layer of its own that is drawn once for a view and
 * then kept: moving a point over a large picture costs no more than over a small one, and a new
 * mask doesn't shrink the picture again.
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
/** A line that leaves a soft edge to be seen. */
const SOFT_LINE = 0.8;
const DIM = 0.45;

/** A canvas that is drawn again only when what it shows has changed. */
class Layer {
  #canvas = document.createElement("canvas");
  /** @type {unknown[]} */
  #shown = [];

  /**
   * @param {Ground} ground
   * @param {unknown} what  it shows
   * @param {(ctx: CanvasRenderingContext2D) => void} draw  in the widget's pixels
   * @returns {HTMLCanvasElement}
   */
  show({ view, size, area, ratio, unit }, what, draw) {
    const now = [view, size, area, ratio, unit, what];
    if (now.some((value, i) => value !== this.#shown[i])) {
      this.#shown = now;
      const ctx = cleared(this.#canvas, area, ratio);
      if (ctx) draw(ctx);
    }
    return this.#canvas;
  }
}

export class Backdrop {
  #picture = new Layer();
  #mask = new Layer();

  /**
   * @param {CanvasRenderingContext2D} ctx  scaled so that it takes the widget's pixels
   * @param {Ground} ground
   */
  paint(ctx, ground) {
    const { area, picture, overlay, dim } = ground;
    const below = this.#picture.show(ground, picture, (own) => drawPicture(own, ground, picture));
    ctx.drawImage(below, 0, 0, area.width, area.height);
    if (!overlay) return;
    const above = this.#mask.show(ground, overlay, (own) => drawMask(own, ground, overlay));
    ctx.globalAlpha = dim ? DIM : 1;
    ctx.drawImage(above, 0, 0, area.width, area.height);
    ctx.globalAlpha = 1;
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
 * @param {CanvasImageSource} picture
 */
function drawPicture(ctx, { view, size }, picture) {
  ctx.imageSmoothingEnabled = view.scale < 4;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture, view.x, view.y, size.width * view.scale, size.height * view.scale);
}

/**
 * The fill is flat, so that however it is shrunk it looks the same; its lines are drawn anew.
 *
 * @param {CanvasRenderingContext2D} ctx
 * @param {Ground} ground
 * @param {Overlay} overlay
 */
function drawMask(ctx, { view, size, unit }, { fill, outlines, soft }) {
  const [width, height] = [size.width * view.scale, size.height * view.scale];
  ctx.imageSmoothingEnabled = view.scale < 4;
  ctx.imageSmoothingQuality = "low";
  ctx.drawImage(fill, view.x, view.y, width, height);
  ctx.translate(view.x, view.y);
  ctx.scale(width / fill.width, height / fill.height);
  ctx.lineCap = "square";
  const pixel = (unit * fill.width) / width;
  for (const dark of soft ? [false] : [true, false]) {
    ctx.lineWidth = pixel * (soft ? SOFT_LINE : dark ? LINE + 1.6 : LINE);
    for (const [colour, lines] of outlines) {
      ctx.strokeStyle = dark ? HALO : colour;
      ctx.stroke(lines);
    }
  }
}
