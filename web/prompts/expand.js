/**
 * An editor that fills the window. It is shown above the page rather than moved: the page puts a
 * widget's element back where it belongs whenever it likes, and then it is in its node again.
 */

/** @param {HTMLElement} element */
export function fillsWindow(element) {
  return element.matches(":popover-open");
}

/**
 * @param {HTMLElement} element
 * @param {boolean} wanted
 */
export function fillWindow(element, wanted) {
  if (wanted === fillsWindow(element)) return;
  element.popover = "manual";
  element.togglePopover(wanted);
  if (!wanted) element.popover = null;
}
