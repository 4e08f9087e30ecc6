/** Undo and redo over immutable values. */

const LIMIT = 200;

/** @template T */
export class History {
  /** @type {T[]} */
  #past = [];
  /** @type {T[]} */
  #future = [];
  /** @type {T} */
  #now;

  /** @param {T} first */
  constructor(first) {
    this.#now = first;
  }

  get now() {
    return this.#now;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /**
   * Make `next` the present; what was undone is forgotten. The same value again is no step.
   *
   * @param {T} next
   */
  commit(next) {
    if (next === this.#now) return;
    this.#past.push(this.#now);
    if (this.#past.length > LIMIT) this.#past.shift();
    this.#future = [];
    this.#now = next;
  }

  /**
   * Replace the present without a step, for a change that goes on, such as a held arrow key.
   *
   * @param {T} next
   */
  amend(next) {
    this.#future = [];
    this.#now = next;
  }

  /** Step back; at the beginning it does nothing. Returns whether it moved. */
  undo() {
    if (!this.canUndo) return false;
    this.#future.push(this.#now);
    this.#now = /** @type {T} */ (this.#past.pop());
    return true;
  }

  /** Step forward again. Returns whether it moved. */
  redo() {
    if (!this.canRedo) return false;
    this.#past.push(this.#now);
    this.#now = /** @type {T} */ (this.#future.pop());
    return true;
  }

  /**
   * Start over from a value that came from outside, such as a loaded workflow.
   *
   * @param {T} value
   */
  reset(value) {
    this.#past = [];
    this.#future = [];
    this.#now = value;
  }
}
