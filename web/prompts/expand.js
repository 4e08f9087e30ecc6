/**
 * An editor that fills the window. It is shown above the page rather than moved: the page puts a
 * widget's element back where it belongs whenever it likes.
 */

/** @param {HTMLElement} element */
export function fillsWindow(element) {
  return element.hasAttribute("popover");
}

/**
 * @param {HTMLElement} element
 * @param {boolean} wanted
 */
export function fillWindow(element, wanted) {
  if (wanted === fillsWindow(element)) return;
  if (wanted) {
    element.setAttribute("popover", "manual");
    element.showPopover();
  } else {
    element.hidePopover();
    element.removeAttribute("popover");
  }
}
