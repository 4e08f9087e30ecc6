/**
 * What is said on the picture: what to do where there is none, and what went wrong.
 */

import { button, element } from "./bars.js";

export class Notices {
  hint = element("div", "rf-hint");
  banner = element("div", "rf-banner");
  #asked = element("span", "");
  #show = button("Run this node to see its image", "Show the image");
  #told = element("span", "");
  #drop = button("Remove what lies outside the image", "Remove");

  /**
   * @param {() => void} onShow  the user wants to see the image
   * @param {() => void} onDrop  the user wants what lies outside the image gone
   */
  constructor(onShow, onDrop) {
    this.#show.addEventListener("click", onShow);
    this.#drop.addEventListener("click", onDrop);
    this.hint.append(this.#asked, this.#show);
    this.banner.setAttribute("role", "alert");
    this.banner.append(this.#told, this.#drop);
  }

  /**
   * @param {{ready: boolean, connected: boolean, error: string, outside: number}} state
   *   ready: there is a picture; connected: the node has an image; outside: how many points and
   *   boxes lie outside the image
   */
  show({ ready, connected, error, outside }) {
    this.hint.hidden = ready;
    this.#asked.textContent = connected
      ? "Run this node once to see its image."
      : "Connect an image to click on.";
    this.#show.hidden = !connected;
    const found = outside === 1 ? "1 point or box lies" : `${outside} points or boxes lie`;
    const told = error || (ready && outside ? `${found} outside the image.` : "");
    if (this.#told.textContent !== told) this.#told.textContent = told;
    this.#drop.hidden = !ready || !outside;
    this.banner.hidden = !told;
  }
}
