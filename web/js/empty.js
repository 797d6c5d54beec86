// @ts-check
/** What stands where there is nothing, so that a newcomer knows what to do. */

import { copyText, h, wish } from "./dom.js";
import { icon } from "./icons.js";
import { EXAMPLE_JOB, EXAMPLE_NAME, STRINGS } from "./strings.js";

/** @type {Record<string, string>} */
const ICONS = { queue: "upload", processing: "clock", done: "image", failed: "check", rejected: "check" };

/**
 * @param {import("./types.js").TabId} tab
 * @param {boolean} isFiltered
 * @returns {HTMLElement}
 */
export function emptyState(tab, isFiltered) {
  const { title, text } = isFiltered
    ? { title: STRINGS.noMatch, text: STRINGS.noMatchText }
    : STRINGS.empty[tab];
  return h(
    "div",
    { class: "e3-empty" },
    icon(isFiltered ? "search" : ICONS[tab]),
    h("h2", { textContent: title }),
    h("p", { textContent: text }),
    isFiltered ? clearButton() : null,
    tab === "queue" && !isFiltered ? example() : null,
  );
}

/** @returns {HTMLElement} */
function clearButton() {
  const button = h("button", {
    type: "button",
    class: "e3-button",
    textContent: STRINGS.clearFilters,
    onclick: () => wish(button, "clear-filters"),
  });
  return button;
}

/** @returns {HTMLElement} */
function example() {
  const add = h(
    "button",
    { type: "button", class: "e3-button e3-primary", onclick: () => wish(add, "add-files") },
    icon("upload"),
    h("span", { textContent: STRINGS.addFiles }),
  );
  const copy = h(
    "button",
    {
      type: "button",
      class: "e3-button",
      onclick: async () => (await copyText(EXAMPLE_JOB, box)) && wish(copy, "say", { text: STRINGS.copied }),
    },
    icon("copy"),
    h("span", { textContent: STRINGS.copyExample }),
  );
  const box = h(
    "div",
    { class: "e3-example" },
    h("p", { class: "e3-hint", textContent: STRINGS.exampleLabel }),
    h("p", { class: "e3-example-name", textContent: EXAMPLE_NAME }),
    h("pre", { tabIndex: 0, "aria-label": STRINGS.exampleLabel, textContent: EXAMPLE_JOB }),
    h("div", { class: "e3-example-buttons" }, copy, add),
  );
  return box;
}
