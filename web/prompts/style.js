/** The editor's look; colours come from ComfyUI's theme. */

const CSS = `
.rf-editor {
  position: relative; display: flex; flex-direction: column; overflow: hidden;
  box-sizing: border-box;
  width: 100%; height: 100%; min-height: 0; border-radius: 6px; user-select: none;
  font: 12px/1.2 sans-serif; color: var(--input-text, #ddd);
  background: var(--comfy-input-bg, #222);
  border: 1px solid var(--border-color, #4e4e4e);
}
.rf-editor[popover] { display: flex; inset: auto; margin: 0; padding: 0; }
.rf-editor:popover-open { position: fixed; inset: 12px; width: auto; height: auto;
  pointer-events: auto; }
@media (pointer: coarse) {
  .rf-editor:popover-open .rf-bar .rf-button { min-width: 36px; height: 36px; }
}
.rf-editor::backdrop { background: rgba(0, 0, 0, 0.6); }
.rf-editor:focus-within { border-color: #2f9bff; box-shadow: 0 0 0 1px #2f9bff; }
.rf-stage { position: relative; flex: 1 1 0; min-height: 0; overflow: hidden; background: #17181a; }
.rf-stage canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none;
}
.rf-keys { position: absolute; width: 1px; height: 1px; opacity: 0; border: 0; padding: 0;
  left: 4px; top: 4px; }
.rf-bar { flex: none; display: flex; flex-wrap: wrap; align-items: center; gap: 2px 1px;
  padding: 3px 4px; box-sizing: border-box; }
.rf-status { flex-wrap: nowrap; gap: 6px; height: 28px; padding: 2px 6px; }
.rf-objects { flex: 1 1 0; min-width: 76px; display: flex; align-items: center; gap: 2px; }
.rf-chips { display: flex; gap: 2px; overflow-x: auto; scrollbar-width: none; min-width: 26px; }
.rf-pair { display: inline-flex; border: 1px solid rgba(128, 128, 128, 0.5); border-radius: 5px;
  margin-right: 3px; }
.rf-button {
  flex: none; min-width: 26px; height: 26px; padding: 0 4px; border: 1px solid transparent;
  box-sizing: border-box; border-radius: 4px;
  background: none; color: inherit; font: inherit; line-height: 1; cursor: pointer;
  display: inline-flex; align-items: center; justify-content: center;
}
.rf-pair .rf-button { height: 24px; }
.rf-button:hover:not(:disabled), .rf-button:focus-visible { background: rgba(128, 128, 128, 0.3); }
.rf-button:focus-visible { outline: 2px solid #2f9bff; outline-offset: -2px; }
.rf-button:disabled { opacity: 0.35; cursor: default; }
.rf-button[data-command="live"], .rf-button[data-command="mask"] {
  border-color: rgba(128, 128, 128, 0.5); }
.rf-button[aria-pressed="true"] { background: rgba(47, 155, 255, 0.35); border-color: #2f9bff; }
.rf-button svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.5;
  stroke-linecap: round; stroke-linejoin: round; pointer-events: none; }
.rf-button.rf-chip { font-weight: bold; color: inherit; border: 2px solid var(--rf-colour); }
.rf-button.rf-chip[aria-pressed="true"] { background: var(--rf-colour); color: #000; }
.rf-button[data-command="fit"] { position: absolute; right: 6px; top: 6px;
  background: rgba(20, 20, 20, 0.8); color: #ddd; }
.rf-button.rf-busy { color: #2f9bff; }
.rf-progress { position: absolute; left: 0; right: 0; top: 0; height: 3px; overflow: hidden;
  visibility: hidden; pointer-events: none; }
.rf-progress::after { content: ""; position: absolute; inset: 0 60% 0 0; background: #2f9bff; }
.rf-editor[aria-busy="true"] .rf-progress { visibility: visible; transition: visibility 0s 0.15s; }
.rf-editor[aria-busy="true"] .rf-progress::after {
  animation: rf-slide 1.1s 0.15s infinite ease-in-out; }
@keyframes rf-slide { from { transform: translateX(-100%); } to { transform: translateX(250%); } }
@media (prefers-reduced-motion: reduce) {
  .rf-editor[aria-busy="true"] .rf-progress::after { animation: none; inset: 0; }
}
.rf-text { flex: 1 1 0; min-width: 0; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; opacity: 0.85; }
.rf-banner { position: absolute; left: 0; right: 0; bottom: 0; display: flex; align-items: center;
  gap: 8px; padding: 6px 8px; font-size: 12px; line-height: 1.3; color: #fff;
  background: rgba(120, 22, 18, 0.94); pointer-events: none; user-select: text; }
.rf-banner span { flex: 1 1 auto; overflow-wrap: anywhere; max-height: 8em; overflow: hidden; }
.rf-banner .rf-button { pointer-events: auto; border-color: currentColor; padding: 0 10px; }
.rf-name { flex: 0 1 110px; min-width: 60px; width: 110px; height: 22px; box-sizing: border-box;
  font: inherit; color: inherit; padding: 0 4px;
  background: rgba(128, 128, 128, 0.15); border: 1px solid var(--border-color, #4e4e4e);
  border-radius: 3px; }
.rf-name[hidden], .rf-hint[hidden], .rf-hint .rf-button[hidden], .rf-banner[hidden],
.rf-banner .rf-button[hidden], .rf-stage > .rf-button[hidden] { display: none; }
.rf-help { position: absolute; left: 8px; top: 8px; max-width: calc(100% - 16px);
  max-height: calc(100% - 16px); overflow: auto; box-sizing: border-box; padding: 6px 10px;
  border-radius: 6px; color: #eee; background: rgba(20, 20, 20, 0.92); cursor: pointer;
  font-size: 11px; }
.rf-help[hidden] { display: none; }
.rf-help td { padding: 1px 12px 1px 0; vertical-align: top; border: 0; }
.rf-help td:first-child { color: #8ec7ff; }
.rf-hint {
  position: absolute; inset: 0; display: flex; flex-direction: column; gap: 10px;
  align-items: center; color: #ddd;
  justify-content: center; text-align: center; padding: 12px; pointer-events: none;
}
.rf-hint .rf-button { pointer-events: auto; height: 30px; padding: 0 12px;
  border-color: currentColor; }
`;

/** Put the style sheet into the page, once. */
export function installStyle() {
  if (document.getElementById("rf-style")) return;
  const sheet = document.createElement("style");
  sheet.id = "rf-style";
  sheet.textContent = CSS;
  document.head.append(sheet);
}
