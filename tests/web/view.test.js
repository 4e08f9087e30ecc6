import assert from "node:assert/strict";
import { test } from "node:test";

import { fit, pan, resized, toImage, toScreen, zoomAt } from "../../web/prompts/view.js";

const AREA = { width: 400, height: 300 };
const PHOTO = { width: 640, height: 480 };
const IMAGES = [
  PHOTO,
  { width: 4000, height: 300 },
  { width: 90, height: 2000 },
  { width: 20, height: 20 },
];

/** @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
function near(a, b, within = 1e-6) {
  assert.ok(Math.hypot(a.x - b.x, a.y - b.y) < within, `${JSON.stringify([a, b])}`);
}

test("a fitted image lies wholly inside the widget, centred, of every aspect", () => {
  for (const image of IMAGES) {
    const view = fit(image, AREA);
    const a = toScreen(view, { x: 0, y: 0 });
    const b = toScreen(view, { x: image.width, y: image.height });
    assert.ok(a.x >= 0 && a.y >= 0 && b.x <= AREA.width && b.y <= AREA.height);
    near({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, { x: 200, y: 150 });
  }
});

test("screen to image undoes image to screen", () => {
  const view = zoomAt(fit(PHOTO, AREA), 3, { x: 50, y: 60 }, PHOTO, AREA);
  near(toImage(view, toScreen(view, { x: 12.5, y: 400 })), { x: 12.5, y: 400 });
});

test("zooming in keeps the pixel under the pointer", () => {
  for (const image of IMAGES) {
    const first = fit(image, AREA);
    const at = { x: 210, y: 140 };
    const once = zoomAt(first, 1.5, at, image, AREA);
    const twice = zoomAt(once, 1.5, at, image, AREA);
    const inside = image.width * once.scale > AREA.width && image.height * once.scale > AREA.height;
    if (inside) near(toImage(twice, at), toImage(once, at));
  }
});

test("zooming out ends at the fitted image", () => {
  for (const image of IMAGES) {
    let view = zoomAt(fit(image, AREA), 8, { x: 10, y: 290 }, image, AREA);
    for (let i = 0; i < 40; i += 1) view = zoomAt(view, 0.8, { x: 390, y: 5 }, image, AREA);
    assert.deepEqual(view, fit(image, AREA));
  }
});

test("zooming in ends at 32 screen pixels for one of the image", () => {
  let view = fit(PHOTO, AREA);
  for (let i = 0; i < 40; i += 1) view = zoomAt(view, 2, { x: 200, y: 150 }, PHOTO, AREA);
  assert.equal(view.scale, 32);
});

test("panning never leaves a gap beside a zoomed image", () => {
  const zoomed = zoomAt(fit(PHOTO, AREA), 4, { x: 200, y: 150 }, PHOTO, AREA);
  const corner = pan(zoomed, 1e5, 1e5, PHOTO, AREA);
  near(toScreen(corner, { x: 0, y: 0 }), { x: 6, y: 6 });
  const opposite = pan(zoomed, -1e5, -1e5, PHOTO, AREA);
  near(toScreen(opposite, { x: 640, y: 480 }), { x: 394, y: 294 });
});

test("a fitted image stays fitted when the widget changes its size", () => {
  for (const image of IMAGES) {
    const wide = { width: 900, height: 310 };
    const view = resized(fit(image, AREA), image, AREA, wide);
    assert.ok(Math.abs(view.scale - fit(image, wide).scale) < 1e-9);
  }
});

test("a zoomed image keeps its middle when the widget changes its size", () => {
  const image = PHOTO;
  const view = zoomAt(fit(image, AREA), 4, { x: 200, y: 150 }, image, AREA);
  const wide = { width: 700, height: 500 };
  near(
    toImage(resized(view, image, AREA, wide), { x: 350, y: 250 }),
    toImage(view, { x: 200, y: 150 }),
  );
});
