import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveRunner, PATIENCE_MS, PAUSE_MS } from "../../web/prompts/live.js";

function setUp(accepted = async () => true) {
  const timers = new Map();
  const counts = { runs: 0, changes: 0 };
  const live = new LiveRunner(
    () => {
      counts.runs += 1;
      return accepted();
    },
    (ms, then) => {
      const key = Symbol("timer");
      timers.set(key, { ms, then });
      return () => timers.delete(key);
    },
    () => {
      counts.changes += 1;
    },
  );
  /** Let every timer of this length fire, then what it started settle. */
  const pass = async (/** @type {number} */ ms) => {
    for (const [key, timer] of [...timers]) {
      if (timer.ms === ms && timers.delete(key)) timer.then();
    }
    await new Promise((then) => setTimeout(then, 0));
  };
  return { live, counts, pass };
}

test("edits close together share one run", async () => {
  const { live, counts, pass } = setUp();
  live.request();
  live.request();
  live.request();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 1);
  assert.ok(live.running);
});

test("edits during a run become one more run when it ends", async () => {
  const { live, counts, pass } = setUp();
  live.request();
  await pass(PAUSE_MS);
  for (let i = 0; i < 5; i += 1) live.request();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 1);
  live.finished();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 2);
  live.finished();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 2);
  assert.equal(live.running, false);
});

test("a refused run is not tried again until the next edit", async () => {
  const { live, counts, pass } = setUp(async () => false);
  live.request();
  await pass(PAUSE_MS);
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 1);
  assert.equal(live.running, false);
  live.request();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 2);
});

test("a run that throws counts as refused", async () => {
  const { live, pass } = setUp(async () => {
    throw new Error("the server is gone");
  });
  live.request();
  await pass(PAUSE_MS);
  assert.equal(live.running, false);
});

test("a run that never answers is given up", async () => {
  const { live, counts, pass } = setUp();
  live.request();
  await pass(PAUSE_MS);
  live.request();
  await pass(PATIENCE_MS);
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 2);
});

test("a result that nobody asked for changes nothing", async () => {
  const { live, counts, pass } = setUp();
  live.finished();
  await pass(PAUSE_MS);
  assert.deepEqual(counts, { runs: 0, changes: 0 });
});

test("after disposal nothing runs", async () => {
  const { live, counts, pass } = setUp();
  live.request();
  live.dispose();
  await pass(PAUSE_MS);
  assert.equal(counts.runs, 0);
});
