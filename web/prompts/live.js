/**
 * Runs the node after edits: at once when nothing is under way, and never two at a time. Edits
 * made meanwhile are gathered into one more run, so a queue never builds up.
 */

/** Edits closer together than this share one run. */
export const PAUSE_MS = 30;
/** A run that says nothing for so long is given up, so that the next edit can start another. */
export const PATIENCE_MS = 120_000;

export class LiveRunner {
  #running = false;
  #waiting = false;
  #cancelPause = () => {};
  #cancelPatience = () => {};
  #run;
  #after;
  #changed;

  /**
   * @param {() => Promise<boolean>} run  queue the node; false when it was refused
   * @param {(ms: number, then: () => void) => () => void} after  start a timer; returns its cancel
   * @param {() => void} changed  called when `running` changes
   */
  constructor(run, after, changed) {
    this.#run = run;
    this.#after = after;
    this.#changed = changed;
  }

  get running() {
    return this.#running;
  }

  /** The prompts changed, or the user asks for a run. */
  request() {
    if (this.#running) {
      this.#waiting = true;
      return;
    }
    this.#cancelPause();
    this.#cancelPause = this.#after(PAUSE_MS, () => void this.#start());
  }

  /** The node's result came, or its run failed. */
  finished() {
    if (!this.#running) return;
    this.#stop();
    if (this.#waiting) this.request();
    this.#waiting = false;
  }

  /** Forget what is under way; for when the node is removed. */
  dispose() {
    this.#cancelPause();
    this.#stop();
    this.#waiting = false;
  }

  async #start() {
    this.#running = true;
    this.#cancelPatience = this.#after(PATIENCE_MS, () => this.finished());
    this.#changed();
    const accepted = await this.#run().catch(() => false);
    if (!accepted) {
      this.#waiting = false;
      this.#stop();
    }
  }

  #stop() {
    this.#cancelPatience();
    if (!this.#running) return;
    this.#running = false;
    this.#changed();
  }
}
