// @ts-check
/** What the panel shows of the queue: tabs, queries, counts, and where a job goes that is moved. Pure. */

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./types.js").Totals} Totals */
/** @typedef {import("./types.js").TabId} TabId */
/** @typedef {import("./types.js").Filters} Filters */

/** @type {{id: TabId, statuses: string[], sorts: string[], actions: string[]}[]} */
export const TABS = [
  {
    id: "queue",
    statuses: ["pending"],
    sorts: ["order", "created", "-created", "name"],
    actions: ["god-mode", "set_priority", "copy", "cancel", "delete"],
  },
  { id: "processing", statuses: ["processing"], sorts: ["order"], actions: ["cancel"] },
  {
    id: "done",
    statuses: ["done"],
    sorts: ["-ended", "ended", "-duration", "duration", "name"],
    actions: ["copy", "delete"],
  },
  {
    id: "failed",
    statuses: ["failed", "cancelled"],
    sorts: ["-ended", "ended", "-duration", "name"],
    actions: ["retry", "copy", "delete"],
  },
  { id: "rejected", statuses: [], sorts: [], actions: [] },
];

/**
 * @param {string | null | undefined} id
 * @returns {typeof TABS[number]}
 */
export const tabOf = (id) => TABS.find((tab) => tab.id === id) ?? TABS[0];

/** @returns {Filters} */
export const noFilters = () => ({ q: "", media: "", workflow_id: "", sort: {} });

/**
 * @param {Filters} filters
 * @returns {boolean} whether some jobs may be hidden by them
 */
export const isFiltered = (filters) => Boolean(filters.q || filters.media || filters.workflow_id);

/**
 * @param {TabId} tab
 * @param {Filters} filters
 * @returns {string}
 */
export function sortOf(tab, filters) {
  const { sorts } = tabOf(tab);
  const wanted = filters.sort[tab];
  return sorts.includes(wanted) ? wanted : sorts[0];
}

/**
 * @param {TabId} tab
 * @param {Filters} filters
 * @param {string | null} cursor
 * @param {number} limit
 * @returns {string} the query of GET /e3/jobs
 */
export function jobsQuery(tab, filters, cursor, limit) {
  const query = new URLSearchParams();
  for (const status of tabOf(tab).statuses) query.append("status", status);
  for (const key of /** @type {const} */ (["media", "workflow_id", "q"])) {
    if (filters[key]) query.set(key, filters[key]);
  }
  query.set("sort", sortOf(tab, filters));
  query.set("limit", String(limit));
  if (cursor) query.set("cursor", cursor);
  return query.toString();
}

/**
 * @param {TabId} tab
 * @param {Filters} filters
 * @returns {object} the filter of a bulk action on everything the tab shows
 */
export function bulkFilter(tab, filters) {
  /** @type {Record<string, unknown>} */
  const filter = { status: tabOf(tab).statuses };
  for (const key of /** @type {const} */ (["media", "workflow_id", "q"])) {
    if (filters[key]) filter[key] = filters[key];
  }
  return filter;
}

/**
 * @param {TabId} tab
 * @param {Partial<Totals>} totals
 * @returns {number}
 */
export const countOf = (tab, totals) =>
  tabOf(tab).statuses.reduce((sum, status) => sum + (totals[/** @type {keyof Totals} */ (status)] ?? 0), 0);

/**
 * @param {number} n
 * @returns {string} a count that fits in a corner: 999, 1.2k, 100k
 */
export function shortCount(n) {
  if (n < 1000) return String(n);
  return n < 9950 ? `${(n / 1000).toFixed(1)}k` : `${Math.round(n / 1000)}k`;
}

/**
 * The number on the tab's icon: jobs that are not finished yet.
 * @param {Partial<Totals> | undefined} totals
 * @returns {string | null}
 */
export function badgeText(totals) {
  const open = (totals?.pending ?? 0) + (totals?.processing ?? 0);
  return open ? shortCount(open) : null;
}

/** @typedef {{before: string} | {priority: number, before: null}} Place */

/**
 * Where jobs go that are dropped between two rows.
 * @param {JobRow[]} rows in the order of the queue
 * @param {Set<string>} moving
 * @param {number} index the row they are dropped in front of; rows.length for the end
 * @returns {Place | null} null when nothing would change
 */
export function dropPlace(rows, moving, index) {
  const isStill = (/** @type {JobRow} */ job) => !moving.has(job.config_name);
  const target = rows.slice(index).find(isStill);
  const positions = rows.flatMap((job, at) => (isStill(job) ? [] : [at]));
  if (!positions.length) return null;
  const isOneBlock = positions[positions.length - 1] - positions[0] === positions.length - 1;
  if (isOneBlock && index >= positions[0] && index <= positions[positions.length - 1] + 1) return null;
  if (target) return { before: target.config_name };
  const last = rows.filter(isStill).pop();
  return last ? { priority: last.priority, before: null } : null;
}

/**
 * What goes from one row to its neighbour by keyboard.
 * @param {JobRow[]} rows
 * @param {string} name
 * @param {1 | -1} step
 * @returns {Place | null}
 */
export function stepPlace(rows, name, step) {
  const at = rows.findIndex((job) => job.config_name === name);
  const to = at + step;
  if (at < 0 || to < 0 || to >= rows.length) return null;
  return dropPlace(rows, new Set([name]), step < 0 ? to : to + 1);
}

/**
 * The rows as they will be, so that the list can show it before the server has answered.
 * @param {JobRow[]} rows
 * @param {string[]} names
 * @param {Place} place
 * @returns {JobRow[]}
 */
export function moved(rows, names, place) {
  const chosen = new Set(names);
  const rest = rows.filter((job) => !chosen.has(job.config_name));
  const at = place.before === null ? rest.length : rest.findIndex((job) => job.config_name === place.before);
  const priority = place.before === null ? place.priority : rest[at]?.priority;
  const moving = rows
    .filter((job) => chosen.has(job.config_name))
    .map((job) => ({ ...job, priority: priority ?? job.priority }));
  return [...rest.slice(0, at), ...moving, ...rest.slice(at)];
}
