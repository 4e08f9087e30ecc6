/**
 * Whose a run on the server is. Its messages name the node by an id that another tab's workflow may
 * have too, and the page hands them to whatever workflow is open.
 */

import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";

import { rootGraph } from "./graph.js";

/** The workflow of the job that runs, null where it needn't be asked for or isn't known. */
/** @type {Promise<string | null>} */
let running = Promise.resolve(null);
/** The job that was sent last for an editor. */
let own = "";

api.addEventListener("execution_start", (event) => {
  const { prompt_id: id } = /** @type {CustomEvent} */ (event).detail ?? {};
  const tabs = app.extensionManager?.workflow?.openWorkflows?.length ?? 1;
  running = id && id !== own && tabs > 1 ? workflowOf(id) : Promise.resolve(null);
});

/** @param {string} job  that was sent for an editor of the open workflow */
export function noteOwn(job) {
  own = job;
}

/**
 * @param {string} job
 * @returns {Promise<string | null>} null where the server doesn't tell, as older ones don't
 */
async function workflowOf(job) {
  try {
    const reply = await fetch(api.apiURL(`/jobs/${job}`));
    return reply.ok ? ((await reply.json()).workflow_id ?? null) : null;
  } catch {
    return null;
  }
}

/** @returns {Promise<boolean>} whether what runs, or ran last, is of another workflow */
export async function isElsewhere() {
  const mine = rootGraph()?.id;
  const job = await running;
  return Boolean(mine && job && mine !== job);
}
