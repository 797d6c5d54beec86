// @ts-check
/** The panel's skeleton: its parts, and how they stand in one another. */

import { BannerElement } from "./banner.js";
import { BulkBarElement } from "./bulk_bar.js";
import { CausesElement } from "./causes.js";
import { h } from "./dom.js";
import { FiltersElement } from "./filters.js";
import { HeaderElement } from "./header.js";
import { JobDetailsElement } from "./job_details.js";
import { JobListElement } from "./job_list.js";
import { MenuElement } from "./menu.js";
import { NowStripElement } from "./now_strip.js";
import { RejectionsElement } from "./rejections.js";
import { STRINGS } from "./strings.js";
import { TabsElement } from "./tabs.js";
import { ToastsElement } from "./toasts.js";

/**
 * @template {HTMLElement} T
 * @param {string} tag
 * @param {new () => T} _type only says what the tag makes
 * @returns {T}
 */
const make = (tag, _type) => /** @type {T} */ (document.createElement(tag));

/** @typedef {ReturnType<typeof makeParts>} Parts */

export function makeParts() {
  const parts = {
    header: make("e3-header", HeaderElement),
    banner: make("e3-banner", BannerElement),
    now: make("e3-now", NowStripElement),
    tabs: make("e3-tabs", TabsElement),
    filters: make("e3-filters", FiltersElement),
    bulk: make("e3-bulk-bar", BulkBarElement),
    causes: make("e3-causes", CausesElement),
    list: make("e3-job-list", JobListElement),
    rejections: make("e3-rejections", RejectionsElement),
    details: make("e3-job-details", JobDetailsElement),
    toasts: make("e3-toasts", ToastsElement),
    menu: make("e3-menu", MenuElement),
    empty: h("div", { class: "e3-empty-slot", hidden: true }),
    live: h("div", { class: "e3-offscreen", role: "status", "aria-live": "polite" }),
    drop: h(
      "div",
      { class: "e3-drop", hidden: true },
      h("strong", { textContent: STRINGS.dropHere }),
      h("span", { textContent: STRINGS.dropKinds }),
    ),
    picker: h("input", { type: "file", multiple: true, accept: ".yaml,.yml", hidden: true }),
    view: h("div", { class: "e3-view", id: "e3-view", role: "tabpanel" }),
  };
  parts.view.append(parts.causes, parts.list, parts.rejections, parts.empty);
  return parts;
}

/**
 * @param {Parts} parts
 * @returns {HTMLElement[]} what the panel holds, from top to bottom
 */
export function arrange(parts) {
  const main = h("div", { class: "e3-main" }, parts.now, parts.tabs, parts.filters, parts.bulk, parts.view);
  const columns = h("div", { class: "e3-columns" }, main, parts.details);
  return [
    parts.header,
    parts.banner,
    columns,
    parts.toasts,
    parts.drop,
    parts.menu,
    parts.live,
    parts.picker,
  ];
}
