// @ts-check
import { h, refill, setAttr, wish, defineOnce } from "./dom.js";
import { icon } from "./icons.js";
import { isFiltered, noFilters, sortOf, tabOf } from "./queue_view.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").TabId} TabId */
/** @typedef {import("./types.js").Filters} Filters */

const TYPING_MS = 250;

/** Search, and behind a button media, workflow and sort. */
export class FiltersElement extends HTMLElement {
  static define() {
    defineOnce("e3-filters", FiltersElement);
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} runs while what was typed is not yet told */
  timer = undefined;

  connectedCallback() {
    if (this.search) return;
    this.className = "e3-filters";
    this.filters = noFilters();
    this.search = h("input", {
      type: "search",
      class: "e3-search-input",
      placeholder: STRINGS.search,
      "aria-label": STRINGS.search,
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.onKey(event),
    });
    this.toggle = h(
      "button",
      {
        type: "button",
        class: "e3-icon-button e3-filter-button",
        "aria-label": STRINGS.filter,
        title: STRINGS.filter,
        "aria-expanded": "false",
        "aria-controls": "e3-filter-row",
        onclick: () => this.showRow(Boolean(this.row?.hidden)),
      },
      icon("sliders"),
    );
    this.row = h("div", { class: "e3-filter-row", id: "e3-filter-row", hidden: true });
    this.append(h("div", { class: "e3-search" }, icon("search"), this.search), this.toggle, this.row);
  }

  /**
   * @param {TabId} tab
   * @param {Filters} filters
   * @param {string[]} workflows
   */
  update(tab, filters, workflows) {
    if (!this.search || !this.row || !this.toggle) return;
    this.tab = tab;
    this.filters = filters;
    const isBeingTyped = this.timer !== undefined || document.activeElement === this.search;
    if (!isBeingTyped && this.search.value !== filters.q) this.search.value = filters.q;
    setAttr(this.toggle, "data-on", Boolean(filters.media || filters.workflow_id));
    refill(this.row, [tab, filters.media, filters.workflow_id, filters.sort, workflows], () =>
      this.selects(tab, filters, workflows),
    );
  }

  /**
   * @param {TabId} tab
   * @param {Filters} filters
   * @param {string[]} workflows
   * @returns {HTMLElement[]}
   */
  selects(tab, filters, workflows) {
    const media = [["", STRINGS.anyMedia], ...Object.entries(STRINGS.media)];
    const known = [...new Set([...workflows, filters.workflow_id].filter(Boolean))].sort();
    const sorts = tabOf(tab).sorts.map((sort) => [sort, STRINGS.sorts[sort]]);
    const clear = h("button", {
      type: "button",
      class: "e3-link",
      textContent: STRINGS.clearFilters,
      onclick: () => this.say({ ...noFilters(), sort: filters.sort }),
    });
    return [
      this.select(STRINGS.filterMedia, media, filters.media, (value) => ({ ...filters, media: value })),
      this.select(
        STRINGS.filterWorkflow,
        [["", STRINGS.anyWorkflow], ...known.map((id) => [id, id])],
        filters.workflow_id,
        (value) => ({ ...filters, workflow_id: value }),
      ),
      this.select(STRINGS.sortBy, sorts, sortOf(tab, filters), (value) => ({
        ...filters,
        sort: { ...filters.sort, [tab]: value },
      })),
      ...(isFiltered(filters) ? [clear] : []),
    ];
  }

  /**
   * @param {string} label
   * @param {string[][]} options
   * @param {string} value
   * @param {(value: string) => Filters} change
   * @returns {HTMLElement}
   */
  select(label, options, value, change) {
    const select = h(
      "select",
      { class: "e3-input", onchange: () => this.say(change(select.value)) },
      ...options.map(([key, text]) => h("option", { value: key, textContent: text })),
    );
    select.value = value;
    return h("label", { class: "e3-field" }, h("span", { textContent: label }), select);
  }

  /** @param {boolean} isShown */
  showRow(isShown) {
    if (!this.row || !this.toggle) return;
    this.row.hidden = !isShown;
    setAttr(this.toggle, "aria-expanded", String(isShown));
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.say({ ...(this.filters ?? noFilters()), q: this.search?.value.trim() ?? "" });
    }, TYPING_MS);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    event.stopPropagation();
    if (event.key === "ArrowDown") wish(this, "focus-list");
    if (event.key === "Escape" && this.search?.value) {
      event.preventDefault();
      this.search.value = "";
      this.typed();
    }
  }

  /** @param {Filters} filters */
  say(filters) {
    if (this.search && document.activeElement !== this.search) this.search.value = filters.q;
    wish(this, "filters", { filters });
  }
}
