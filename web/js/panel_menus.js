// @ts-check
/** What stands in the panel's menu and in a job's. */

import { wish } from "./dom.js";
import { verbsOf } from "./job_details.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./menu.js").MenuItem} MenuItem */
/** @typedef {import("./types.js").JobRow} JobRow */

/**
 * @param {EventTarget} panel
 * @param {{fullPage: string | null, isNotifying: boolean}} host
 * @returns {MenuItem[]}
 */
export function panelItems(panel, { fullPage, isNotifying }) {
  const page = {
    icon: "external",
    label: STRINGS.fullPage,
    run: () => window.open(fullPage ?? "", "_blank", "noopener"),
  };
  return [
    { icon: "upload", label: STRINGS.addFiles, run: () => wish(panel, "add-files") },
    { icon: "bell", label: STRINGS.notify, isChecked: isNotifying, run: () => wish(panel, "toggle-notices") },
    ...(fullPage ? [page] : []),
    { icon: "retry", label: STRINGS.refresh, run: () => wish(panel, "reconnect") },
    { icon: "keys", label: STRINGS.shortcuts, run: () => wish(panel, "show-keys") },
  ];
}

/**
 * @param {import("./job_list.js").JobListElement} list
 * @param {JobRow} job
 * @param {boolean} hasCanvas whether there is one that takes the job's graph
 * @returns {MenuItem[]}
 */
export function rowItems(list, job, hasCanvas) {
  const here = { names: [job.config_name], jobs: [job] };
  const ask =
    (/** @type {string} */ name, detail = /** @type {object} */ (here)) =>
    () =>
      wish(list, name, detail);
  /** @type {Record<string, MenuItem>} */
  const verbs = {
    "god-mode": { icon: "bolt", label: STRINGS.godMode, keys: "Alt Home", run: ask("god-mode") },
    retry: { icon: "retry", label: STRINGS.retry, keys: "R", run: ask("retry") },
    copy: { icon: "copy", label: STRINGS.copy, run: ask("copy") },
    repin: { icon: "pin", label: STRINGS.repin, run: ask("repin") },
    cancel: {
      icon: "ban",
      label: job.status === "processing" ? STRINGS.stop : STRINGS.cancel,
      run: ask("cancel"),
    },
    "open-graph": { icon: "graph", label: STRINGS.openGraph, run: ask("open-graph") },
    delete: { icon: "trash", label: STRINGS.delete, keys: "Del", isDanger: true, run: ask("delete") },
  };
  const details = {
    icon: "info",
    label: STRINGS.details,
    keys: "Enter",
    run: ask("open", { name: job.config_name, isKey: true }),
  };
  const [first, ...others] = verbsOf(job, hasCanvas).map((verb) => verbs[verb]);
  return [
    details,
    first,
    ...(job.status === "pending" && list.canReorder() ? moveItems(list, job) : []),
    ...others,
  ];
}

/**
 * @param {import("./job_list.js").JobListElement} list
 * @param {JobRow} job
 * @returns {MenuItem[]}
 */
function moveItems(list, { config_name: name }) {
  return [
    { icon: "up", label: STRINGS.moveUp, keys: "Alt ↑", run: () => list.step(name, -1) },
    { icon: "lower", label: STRINGS.moveDown, keys: "Alt ↓", run: () => list.step(name, 1) },
    { icon: "end", label: STRINGS.moveEnd, keys: "Alt End", run: () => list.drop([name], list.rows.length) },
  ];
}
