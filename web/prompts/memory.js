/**
 * What nodes last gave, remembered by the browser: the workflow holds the prompts but not the
 * masks, and a page that is opened again knows of no run. Nothing of it goes into the workflow.
 *
 * @typedef {import("./host.js").Preview} Preview
 *
 * @typedef {object} Remembered
 * @property {Preview} preview
 * @property {string} picture  key of the picture that the node had then, "" for its own
 */

const KEY = "RegionFields.lastPreviews";
/** So many nodes are remembered, the ones that ran last. */
const LIMIT = 60;

export class Memory {
  #storage;

  /** @param {Pick<Storage, "getItem" | "setItem">} storage  may hold anything, and may be full */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * @param {string} place  of the node: a name for it that outlives the page
   * @returns {Remembered | null}
   */
  recall(place) {
    return this.#read().find(([known]) => known === place)?.[1] ?? null;
  }

  /**
   * @param {string} place
   * @param {Remembered} remembered
   */
  remember(place, remembered) {
    const others = this.#read().filter(([known]) => known !== place);
    const text = JSON.stringify([...others, [place, remembered]].slice(-LIMIT));
    try {
      this.#storage.setItem(KEY, text);
    } catch {
      // No room, or not allowed: then the mask comes with the next run.
    }
  }

  /** @returns {[string, Remembered][]} */
  #read() {
    try {
      const held = JSON.parse(this.#storage.getItem(KEY) ?? "[]");
      return Array.isArray(held) ? held.filter(isEntry) : [];
    } catch {
      return [];
    }
  }
}

/**
 * @param {unknown} entry
 * @returns {entry is [string, Remembered]}
 */
function isEntry(entry) {
  return Array.isArray(entry) && typeof entry[0] === "string" && Boolean(entry[1]?.preview);
}
