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
.rf-editor:focus-within { border-color: #2f9bff; }
.rf-stage { position: relative; flex: 1 1 0; min-height: 0; overflow: hidden; background: #17181a; }
.rf-stage canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: crosshair;
}
.rf-keys { position: absolute; width: 1px; height: 1px; opacity: 0; border: 0; padding: 0;
  left: 4px; top: 4px; }
.rf-bar { flex: none; display: flex; align-items: center; gap: 2px; padding: 3px 4px; height: 28px;
  box-sizing: border-box; overflow: hidden; }
.rf-status { height: 24px; padding: 2px 6px; gap: 6px; }
.rf-chips { display: flex; gap: 2px; overflow-x: auto; scrollbar-width: none; min-width: 24px; }
.rf-gap { flex: 1 1 0; }
.rf-button {
  flex: none; min-width: 22px; height: 22px; padding: 0 4px; border: 1px solid transparent;
  border-radius: 4px;
  background: none; color: inherit; font: inherit; line-height: 1; cursor: pointer;
  display: inline-flex; align-items: center; justify-content: center;
}
.rf-button:hover:not(:disabled), .rf-button:focus-visible { background: rgba(128, 128, 128, 0.3); }
.rf-button:focus-visible { outline: 2px solid #2f9bff; outline-offset: -2px; }
.rf-button:disabled { opacity: 0.35; cursor: default; }
.rf-button[aria-pressed="true"] { background: rgba(47, 155, 255, 0.35); border-color: #2f9bff; }
.rf-button svg { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 1.5;
  stroke-linecap: round; stroke-linejoin: round; pointer-events: none; }
.rf-button.rf-chip { font-weight: bold; color: var(--rf-colour); border-color: var(--rf-colour);
  opacity: 0.75; }
.rf-button.rf-chip[aria-pressed="true"] { background: var(--rf-colour); color: #000; opacity: 1; }
.rf-button.rf-busy { color: #2f9bff; animation: rf-pulse 0.8s infinite alternate; }
@keyframes rf-pulse { to { opacity: 0.35; } }
.rf-text { flex: 1 1 0; min-width: 0; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; opacity: 0.85; }
.rf-alarm { color: var(--error-text, #ff6b60); opacity: 1; }
.rf-name { width: 84px; height: 18px; box-sizing: border-box; font: inherit; color: inherit;
  padding: 0 4px;
  background: rgba(128, 128, 128, 0.15); border: 1px solid var(--border-color, #4e4e4e);
  border-radius: 3px; }
.rf-name[hidden], .rf-hint[hidden] { display: none; }
.rf-hint {
  position: absolute; inset: 0; display: flex; flex-direction: column; gap: 10px;
  align-items: center;
  justify-content: center; text-align: center; padding: 12px; pointer-events: none;
}
.rf-hint .rf-button { pointer-events: auto; height: 28px; padding: 0 12px;
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
