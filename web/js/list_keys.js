// @ts-check
/** Which key means what in the list. Pure. */

/** @typedef {{key: string, shiftKey: boolean, altKey: boolean, ctrlKey: boolean, metaKey: boolean}} Key */

/** @type {Record<string, string>} */
const PLAIN = {
  ArrowUp: "up",
  ArrowDown: "down",
  PageUp: "page-up",
  PageDown: "page-down",
  Home: "first",
  End: "last",
  Enter: "open",
  " ": "toggle",
  Delete: "remove",
  Backspace: "remove",
  ArrowRight: "into",
  ArrowLeft: "out",
  ContextMenu: "menu",
  p: "priority",
  r: "retry",
};

/** @type {Record<string, string>} */
const WITH_ALT = { ArrowUp: "move-up", ArrowDown: "move-down", Home: "god-mode", End: "move-end" };

/** @type {Record<string, string>} */
const WITH_SHIFT = { ArrowUp: "extend-up", ArrowDown: "extend-down", " ": "extend", F10: "menu" };

/**
 * @param {Key} event
 * @returns {string | null} a command, or null for a key that is not the list's
 */
export function commandOf({ key, shiftKey, altKey, ctrlKey, metaKey }) {
  if (ctrlKey || metaKey) return key === "a" && !altKey ? "select-all" : null;
  if (altKey) return shiftKey ? null : (WITH_ALT[key] ?? null);
  if (shiftKey) return WITH_SHIFT[key] ?? null;
  return PLAIN[key] ?? null;
}
