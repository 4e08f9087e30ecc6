/**
 * What lies below the prompts: the picture and the mask over it, once they have loaded.
 *
 * @typedef {import("./overlay.js").Overlay} Overlay
 *
 * @typedef {object} Picture
 * @property {string} key  two pictures with the same key are the same
 * @property {string} url
 * @property {import("./state.js").Size | null} size  of the image where it is not the file's own
 *
 * @typedef {object} Result
 * @property {string} url  of the label image
 * @property {boolean} soft  it says how strong the masks are, too
 * @property {string} key  of the picture it belongs to
 * @property {string} text  the prompts it was made from
 * @property {boolean} outdated  the node's other settings have changed since
 */

import { loadImage, loadOverlay } from "./overlay.js";

export class Pictures {
  /** The picture, null before it has loaded. @type {HTMLImageElement | null} */
  image = null;
  /** @type {Picture | null} */
  #picture = null;
  /** The result that was last asked for, and the one whose mask has loaded. */
  /** @type {Result | null} */
  #asked = null;
  /** @type {Result | null} */
  #result = null;
  /** @type {Overlay | null} */
  #overlay = null;
  #sized;
  #changed;

  /**
   * @param {(size: import("./state.js").Size) => void} sized  a picture of this size has loaded
   * @param {() => void} changed
   */
  constructor(sized, changed) {
    this.#sized = sized;
    this.#changed = changed;
  }

  /** @param {Picture | null} picture */
  async setPicture(picture) {
    if (picture?.key === this.#picture?.key) return;
    this.#picture = picture;
    const image = picture ? await loadImage(picture.url).catch(() => null) : null;
    if (picture !== this.#picture) return;
    this.image = image;
    if (picture && image) {
      this.#sized(picture.size ?? { width: image.naturalWidth, height: image.naturalHeight });
    }
    this.#changed();
  }

  /** @param {Result | null} result */
  async setResult(result) {
    if (JSON.stringify(result) === JSON.stringify(this.#asked)) return;
    this.#asked = result;
    if (result?.url !== this.#result?.url) {
      const overlay = result ? await loadOverlay(result).catch(() => null) : null;
      if (result?.url !== this.#asked?.url) return;
      this.#overlay = overlay;
    }
    this.#result = this.#asked;
    this.#changed();
  }

  /** The mask, where it is one of this picture. */
  get overlay() {
    return this.#result?.key === this.#picture?.key ? this.#overlay : null;
  }

  /**
   * @param {string} text  the prompts as they are
   * @returns {"none" | "earlier" | "current"} what the mask is to them
   */
  mask(text) {
    if (!this.overlay) return "none";
    return this.#result?.text === text && !this.#result.outdated ? "current" : "earlier";
  }
}
