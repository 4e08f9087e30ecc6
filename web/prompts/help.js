/** What can be done in the editor and how, shown over the picture on demand. */

import { element } from "./bars.js";

/** @type {[string, string, string][]} what, by mouse, by key */
const MOUSE = [
  ["Include a point", "click", "Enter at the arrow keys' cursor"],
  ["Exclude a point", "right click, Alt + click", "Alt + Enter"],
  ["Box", "drag", ""],
  ["Another object", "Shift + click or drag", "N, then 1 to 9 to choose"],
  ["Move", "drag it", "arrows, Shift for 10 pixels"],
  ["Delete", "right click on the point", "Delete, Shift for all"],
  ["Choose a point", "click it", ". and ,"],
  ["Undo, redo", "", "Ctrl + Z, Ctrl + Shift + Z"],
  ["Zoom", "wheel", "+, -, 0 for all"],
  ["Pan", "right or middle drag", "Space + drag"],
  ["Clicks exclude", "", "X"],
  ["Mask, live, run", "", "M, L, R"],
  ["Fill the window", "", "F, Esc goes back"],
];

/** @type {[string, string][]} what, by finger */
const TOUCH = [
  ["Include a point", "tap"],
  ["Exclude a point", "press and hold"],
  ["Box", "drag"],
  ["Another object", "the + button"],
  ["Move", "drag the point or box"],
  ["Delete", "press and hold the point"],
  ["Zoom, pan", "two fingers"],
];

const FINGERS = window.matchMedia("(pointer: coarse)").matches;

/** The most important of it, in a line. */
export const HINT = FINGERS
  ? "Tap: include. Hold: exclude. Drag: box. Two fingers: zoom."
  : "Click: include. Right click or Alt: exclude. Drag: box. Shift: new object. Wheel: zoom.";

export class Help {
  panel = element("div", "rf-help");

  /** @param {() => void} onClose  a click closed it */
  constructor(onClose) {
    const table = document.createElement("table");
    for (const cells of FINGERS ? TOUCH : MOUSE) {
      const row = table.insertRow();
      for (const text of cells) row.insertCell().textContent = text;
    }
    this.panel.append(table);
    this.panel.hidden = true;
    this.panel.setAttribute("role", "note");
    this.panel.setAttribute("aria-label", "Gestures and keys");
    this.panel.addEventListener("click", () => {
      this.close();
      onClose();
    });
  }

  get open() {
    return !this.panel.hidden;
  }

  toggle() {
    this.panel.hidden = !this.panel.hidden;
  }

  /** @returns {boolean} whether it was open */
  close() {
    const was = this.open;
    this.panel.hidden = true;
    return was;
  }
}
