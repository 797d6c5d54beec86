// @ts-check
/** Which jobs are chosen. Values in, values out. */

/**
 * @typedef {object} Selection
 * @property {Set<string>} names
 * @property {string | null} anchor where a range starts
 * @property {boolean} all everything that matches the filter, loaded or not
 */

/** @returns {Selection} */
export const nothing = () => ({ names: new Set(), anchor: null, all: false });

/** @returns {Selection} */
export const everything = () => ({ names: new Set(), anchor: null, all: true });

/**
 * @param {Selection} selection
 * @param {string} name
 * @returns {boolean}
 */
export const has = (selection, name) => selection.all || selection.names.has(name);

/**
 * @param {Selection} selection
 * @param {number} total how many match the filter
 * @returns {number}
 */
export const size = (selection, total) => (selection.all ? total : selection.names.size);

/**
 * @param {Selection} selection
 * @param {string} name
 * @param {string[]} loaded names of the rows at hand: leaving "all" by one row keeps the others of these
 * @returns {Selection}
 */
export function toggle(selection, name, loaded) {
  const names = new Set(selection.all ? loaded : selection.names);
  if (!names.delete(name)) names.add(name);
  return { names, anchor: name, all: false };
}

/**
 * Everything from the anchor to this row.
 * @param {Selection} selection
 * @param {string} name
 * @param {string[]} loaded
 * @param {boolean} [keep] also what was chosen before
 * @returns {Selection}
 */
export function range(selection, name, loaded, keep = false) {
  const to = loaded.indexOf(name);
  const from = selection.anchor === null ? to : loaded.indexOf(selection.anchor);
  if (to < 0 || from < 0) return { names: new Set([name]), anchor: name, all: false };
  const names = loaded.slice(Math.min(from, to), Math.max(from, to) + 1);
  return { names: new Set(keep ? [...selection.names, ...names] : names), anchor: loaded[from], all: false };
}

/**
 * Forget jobs that are gone from a list that is loaded to its end.
 * @param {Selection} selection
 * @param {string[]} loaded
 * @returns {Selection} the same object when nothing is gone
 */
export function prune(selection, loaded) {
  const there = new Set(loaded);
  const names = [...selection.names].filter((name) => there.has(name));
  return names.length === selection.names.size ? selection : { ...selection, names: new Set(names) };
}
