/**
 * The bars above and below the picture: plain buttons, so that every tool has a name, a tooltip
 * and works without a keyboard.
 */

import { colourOf } from "./paint.js";

/** @typedef {import("./keys.js").Command} Command */

/**
 * 16 x 16 line drawings.
 *
 * @type {Partial<Record<Command, string>>}
 */
const ICONS = {
  undo: "M6 3 2.5 6.5 6 10 M2.5 6.5h7a4 4 0 0 1 0 8H6",
  redo: "M10 3l3.5 3.5L10 10 M13.5 6.5h-7a4 4 0 0 0 0 8H10",
  delete: "M3 4.5h10 M6 4.5V3h4v1.5 M4.5 4.5l.6 9h5.8l.6-9",
  clear: "M3.5 3.5l9 9 M12.5 3.5l-9 9",
  fit: "M2.5 6V2.5H6 M10 2.5h3.5V6 M13.5 10v3.5H10 M6 13.5H2.5V10",
  mask:
    "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z " +
    "M8 6a2 2 0 1 0 0 4a2 2 0 0 0 0-4",
  run: "M5 3l8 5-8 5z",
  expand: "M9.5 2.5h4v4 M13.5 2.5 9 7 M6.5 13.5h-4v-4 M2.5 13.5 7 9",
  newObject:
    "M4.5 2.5h7a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z " +
    "M8 5.5v5 M5.5 8h5",
  clickIncludes: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z M8 5.2v5.6 M5.2 8h5.6",
  clickExcludes: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z M5.2 8h5.6",
};

/** Need a picture. @type {Command[]} */
const ON_PICTURE = ["newObject", "clickIncludes", "clickExcludes", "mask"];

/**
 * @typedef {object} BarState
 * @property {boolean} ready  there is a picture
 * @property {string[]} names  of the objects, "" for none
 * @property {number} active
 * @property {boolean} exclude  clicks exclude
 * @property {boolean} live
 * @property {boolean} running
 * @property {boolean} masked  the mask is shown
 * @property {boolean} helping  gestures and keys are listed
 * @property {boolean} expanded  the editor fills the window
 * @property {boolean} zoomed  less than the whole picture is shown
 * @property {boolean} canUndo
 * @property {boolean} canRedo
 * @property {string} status
 */

export class Bars {
  top = element("div", "rf-bar");
  bottom = element("div", "rf-bar rf-status");
  /** Shows the whole image; lies on the picture. */
  fit;
  #chips = element("div", "rf-chips");
  #status = element("span", "rf-text");
  #name = /** @type {HTMLInputElement} */ (element("input", "rf-name"));
  /** @type {Map<Command, HTMLButtonElement>} */
  #buttons = new Map();
  #onObject;
  #drawn = "";
  #drawnChips = "";

  /**
   * @param {(command: Command) => void} onCommand
   * @param {(index: number) => void} onObject
   * @param {(name: string) => void} onName
   */
  constructor(onCommand, onObject, onName) {
    this.#onObject = onObject;
    const add = (/** @type {Command} */ command, /** @type {string} */ title, text = "") => {
      const made = button(title, text || icon(ICONS[command] ?? ""));
      made.dataset["command"] = command;
      made.addEventListener("click", () => onCommand(command));
      this.#buttons.set(command, made);
      return made;
    };
    this.#chips.setAttribute("role", "group");
    this.#chips.setAttribute("aria-label", "Objects");
    const mode = element("span", "rf-pair");
    mode.append(
      add("clickIncludes", "Clicks include (X)"),
      add("clickExcludes", "Clicks exclude (X); or use the right button or Alt"),
    );
    const objects = element("div", "rf-objects");
    objects.append(this.#chips, add("newObject", "New object (N, or hold Shift while clicking)"));
    this.top.append(
      objects,
      mode,
      add("undo", "Undo (Ctrl+Z)"),
      add("redo", "Redo (Ctrl+Shift+Z)"),
      add("delete", "Delete the selected point or box, else the object (Delete)"),
      add("clear", "Remove everything (Shift+Delete)"),
      add("mask", "Show or hide the mask (M)"),
      add("live", "Live: run this node after each edit (L)", "live"),
      add("run", "Run this node now (R)"),
      add("expand", "Fill the window, or go back into the node (F)"),
      add("help", "Gestures and keys (?)", "?"),
    );
    this.fit = add("fit", "Show the whole image (0)");
    this.#status.setAttribute("aria-live", "polite");
    this.#name.placeholder = "name";
    this.#name.title = "Name of this object: the label of its region";
    this.#name.setAttribute("aria-label", "Name of the object");
    this.#name.addEventListener("change", () => onName(this.#name.value.trim()));
    this.bottom.append(this.#status, this.#name);
  }

  /** @param {BarState} state */
  show(state) {
    const drawn = JSON.stringify(state);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#showChips(state);
    this.#press("live", state.live);
    this.#press("mask", state.masked);
    this.#press("expand", state.expanded);
    this.#press("help", state.helping);
    this.#press("clickIncludes", !state.exclude);
    this.#press("clickExcludes", state.exclude);
    for (const command of ON_PICTURE) this.#enable(command, state.ready);
    this.fit.hidden = !state.zoomed || !state.ready;
    this.#enable("undo", state.canUndo);
    this.#enable("redo", state.canRedo);
    this.#enable("delete", state.names.length > 0);
    this.#enable("clear", state.names.length > 0);
    this.#buttons.get("run")?.classList.toggle("rf-busy", state.running);
    this.#status.textContent = state.status;
    this.#status.title = state.status;
    this.#name.hidden = state.active >= state.names.length;
    if (document.activeElement !== this.#name) this.#name.value = state.names[state.active] ?? "";
  }

  /** @param {BarState} state */
  #showChips({ names, active }) {
    const drawn = JSON.stringify([names, active]);
    if (drawn === this.#drawnChips) return;
    this.#drawnChips = drawn;
    const focused = this.#chips.contains(document.activeElement);
    const total = Math.max(names.length, active + 1);
    const chips = Array.from({ length: total }, (_, i) => {
      const title = names[i] ? `Object ${i + 1}: ${names[i]}` : `Object ${i + 1}`;
      const chip = button(title, String(i + 1));
      chip.classList.add("rf-chip");
      chip.style.setProperty("--rf-colour", colourOf(i));
      chip.setAttribute("aria-pressed", String(i === active));
      chip.addEventListener("click", () => this.#onObject(i));
      return chip;
    });
    this.#chips.replaceChildren(...chips);
    if (focused) chips[active]?.focus({ preventScroll: true });
    this.revealActive();
  }

  /** Scroll the strip of objects to the active one. */
  revealActive() {
    const chosen = /** @type {HTMLElement | null} */ (
      this.#chips.querySelector('[aria-pressed="true"]')
    );
    if (!chosen) return;
    const room = this.#chips.clientWidth - chosen.offsetWidth;
    this.#chips.scrollLeft = chosen.offsetLeft - this.#chips.offsetLeft - room / 2;
  }

  /**
   * @param {Command} command
   * @param {boolean} pressed
   */
  #press(command, pressed) {
    this.#buttons.get(command)?.setAttribute("aria-pressed", String(pressed));
  }

  /**
   * @param {Command} command
   * @param {boolean} enabled
   */
  #enable(command, enabled) {
    const found = this.#buttons.get(command);
    if (found) found.disabled = !enabled;
  }
}

/**
 * @param {string} tag
 * @param {string} className
 * @returns {HTMLElement}
 */
export function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

/**
 * @param {string} title
 * @param {string | Node} content
 * @returns {HTMLButtonElement}
 */
export function button(title, content) {
  const made = /** @type {HTMLButtonElement} */ (element("button", "rf-button"));
  made.type = "button";
  made.title = title;
  made.setAttribute("aria-label", title);
  made.append(content);
  return made;
}

/**
 * @param {string} path
 * @returns {SVGElement}
 */
function icon(path) {
  const names = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(names, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(names, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
