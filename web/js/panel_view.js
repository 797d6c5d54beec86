// @ts-check
/** What a person has chosen to see, kept for this browser tab. Pure but for the storage it is given. */

import { TABS, noFilters } from "./queue_view.js";

/** @typedef {import("./types.js").TabId} TabId */
/** @typedef {import("./types.js").Filters} Filters */
/** @typedef {{tab: TabId, filters: Filters}} Seen */
/** @typedef {Pick<Storage, "getItem" | "setItem">} Shelf */

const KEY = "e3.view";

/**
 * @param {Shelf} shelf
 * @returns {Seen}
 */
export function readView(shelf) {
  /** @type {any} */
  let kept = null;
  try {
    kept = JSON.parse(shelf.getItem(KEY) ?? "null");
  } catch {
    kept = null;
  }
  const tab = TABS.some(({ id }) => id === kept?.tab) ? kept.tab : "queue";
  return { tab, filters: cleanFilters(kept?.filters) };
}

/**
 * @param {any} kept
 * @returns {Filters}
 */
function cleanFilters(kept) {
  const filters = noFilters();
  for (const key of /** @type {const} */ (["q", "media", "workflow_id"])) {
    if (typeof kept?.[key] === "string") filters[key] = kept[key];
  }
  if (kept?.sort && typeof kept.sort === "object") filters.sort = { ...kept.sort };
  return filters;
}

/**
 * @param {Shelf} shelf
 * @param {Seen} seen
 */
export function keepView(shelf, seen) {
  shelf.setItem(KEY, JSON.stringify(seen));
}
