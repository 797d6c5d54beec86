// @ts-check
import { differing } from "./differs.js";
import { h, setAttr, wish, defineOnce } from "./dom.js";
import { startTimes } from "./eta.js";
import { ListInput } from "./list_input.js";
import { dropPlace, sortOf, stepPlace } from "./queue_view.js";
import { RowDrag } from "./row_drag.js";
import { has } from "./selection.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./job_row.js").JobRowElement} JobRowElement */

/**
 * @typedef {object} ListView
 * @property {import("./job_pages.js").JobPages} pages
 * @property {import("./types.js").TabId} tab
 * @property {import("./types.js").Filters} filters
 * @property {import("./selection.js").Selection} selection
 * @property {import("./store.js").State} state
 * @property {import("./client.js").Client} client
 * @property {string | null} open
 * @property {boolean} isFiltered
 * @property {number} now
 */

const HEIGHTS = { flat: 50, chips: 72, running: 66 };
/** From this width on, what differs stands beside the name instead of under it. */
const WIDE_PX = 480;
const SPARE_ROWS = 6;
const AHEAD_ROWS = 60;
/** What differs is worked out among so many rows; further down it is the same few inputs. */
const COMPARED_ROWS = 2_000;

/** The rows that can be seen, of however many there are. */
export class JobListElement extends HTMLElement {
  static define() {
    defineOnce("e3-job-list", JobListElement);
  }

  /** @type {Map<string, JobRowElement>} */
  rowElements = new Map();
  canvas = h("div", { class: "e3-canvas", role: "presentation" });
  more = h("div", { class: "e3-more", textContent: STRINGS.loading, hidden: true });
  /** @type {ListView | null} */
  view = null;
  height = HEIGHTS.flat;
  /** @type {string | null} the job that takes the focus */
  current = null;
  currentIndex = 0;
  /** @type {JobRow[] | null} */
  derivedFrom = null;
  /** @type {Map<string, import("./differs.js").Chip[]>} */
  chipsOf = new Map();
  /** @type {Map<string, number>} */
  startsIn = new Map();
  /** @type {ListView | null} */
  startsOf = null;
  lastTop = 0;
  isWide = false;

  connectedCallback() {
    this.stopper = new AbortController();
    const { signal } = this.stopper;
    this.className = "e3-list";
    this.setAttribute("role", "grid");
    this.setAttribute("aria-multiselectable", "true");
    if (!this.canvas.isConnected) this.append(this.canvas, this.more);
    this.addEventListener("scroll", () => this.onScroll(), { signal, passive: true });
    this.addEventListener("focusin", (event) => this.onFocus(event), { signal });
    new ListInput(this).listen(signal);
    new RowDrag(this.dragHost(), signal);
    this.sizes = new ResizeObserver(() => this.render());
    this.sizes.observe(this);
    if (this.lastTop) this.scrollTop = this.lastTop;
  }

  disconnectedCallback() {
    this.stopper?.abort();
    this.sizes?.disconnect();
  }

  /** @returns {JobRow[]} */
  get rows() {
    return this.view?.pages.rows ?? [];
  }

  /** @returns {string[]} */
  get names() {
    return this.rows.map((job) => job.config_name);
  }

  /** @param {ListView} view */
  update(view) {
    const isOther = this.view?.pages !== view.pages;
    this.view = view;
    if (isOther) {
      this.scrollTop = 0;
      this.current = null;
      this.derivedFrom = null;
    }
    setAttr(this, "aria-label", STRINGS.tabs[view.tab]);
    this.render();
  }

  /** Work out what depends on all rows, when they have changed. */
  derive() {
    const { view } = this;
    const isWide = this.clientWidth >= WIDE_PX;
    if (!view || (this.derivedFrom === this.rows && this.isWide === isWide)) return;
    this.derivedFrom = this.rows;
    this.isWide = isWide;
    setAttr(this, "data-wide", isWide);
    const isQueue = view.tab === "queue";
    this.chipsOf = isQueue ? differing(this.rows.slice(0, COMPARED_ROWS)) : new Map();
    const hasChipLine = !isWide && [...this.chipsOf.values()].some((chips) => chips.length);
    this.height = view.tab === "processing" ? HEIGHTS.running : hasChipLine ? HEIGHTS.chips : HEIGHTS.flat;
    this.style.setProperty("--e3-row-height", `${this.height}px`);
  }

  /** @returns {{first: number, last: number}} */
  window() {
    const { height } = this;
    const first = Math.max(0, Math.floor(this.scrollTop / height) - SPARE_ROWS);
    const last = Math.ceil((this.scrollTop + this.clientHeight) / height) + SPARE_ROWS;
    return { first, last };
  }

  onScroll() {
    this.lastTop = this.scrollTop;
    this.render();
    this.fetchSeen();
  }

  /** @returns {Promise<void>} */
  async fetchSeen() {
    const { view } = this;
    if (!view) return;
    const { first, last } = this.window();
    if (view.pages.staleBetween(first, last + AHEAD_ROWS) < 0) return;
    const hasChanged = await view.pages.look(first, last + AHEAD_ROWS).catch(() => false);
    if (hasChanged && this.view?.pages === view.pages) wish(this, "loaded");
  }

  render() {
    const { view, canvas, more } = this;
    if (!view || !this.isConnected) return;
    this.derive();
    const { rows, height } = this;
    const { first, last } = this.window();
    const total = `${rows.length * height}px`;
    if (canvas.style.height !== total) canvas.style.height = total;
    more.hidden = view.pages.isComplete || !view.pages.isLoaded;
    setAttr(this, "aria-rowcount", view.pages.isComplete ? rows.length : -1);
    this.keepCurrent(rows);
    const shown = new Set(rows.length ? [this.currentIndex] : []);
    for (let index = first; index < Math.min(last, rows.length); index += 1) shown.add(index);
    this.place(
      [...shown].sort((a, b) => a - b),
      height,
    );
  }

  /**
   * The row that takes the focus stays the same, or becomes its neighbour when it is gone.
   * @param {JobRow[]} rows
   */
  keepCurrent(rows) {
    const isThere = rows[this.currentIndex]?.config_name === this.current;
    const at = isThere ? this.currentIndex : rows.findIndex((job) => job.config_name === this.current);
    if (at >= 0) {
      this.currentIndex = at;
      return;
    }
    const hadFocus = Boolean(
      this.current && this.rowElements.get(this.current)?.contains(document.activeElement),
    );
    this.currentIndex = Math.max(0, Math.min(this.currentIndex, rows.length - 1));
    const next = rows[this.currentIndex];
    this.current = next?.config_name ?? null;
    if (hadFocus && next) queueMicrotask(() => this.focusRow(this.currentIndex));
  }

  /**
   * @param {number[]} indexes
   * @param {number} height
   */
  place(indexes, height) {
    const elements = this.rowElements;
    const wanted = new Set(indexes.map((index) => this.rows[index].config_name));
    for (const [name, element] of elements) {
      if (wanted.has(name)) continue;
      element.remove();
      elements.delete(name);
    }
    const starts = this.starts();
    /** @type {Element | null} */
    let before = null;
    for (const index of indexes) {
      const job = this.rows[index];
      const element = elements.get(job.config_name) ?? this.newRow(job.config_name);
      element.show(job, this.rowView(job, index, starts));
      const y = `translateY(${index * height}px)`;
      if (element.style.transform !== y) element.style.transform = y;
      this.putAfter(before, element);
      before = element;
    }
  }

  /**
   * Bring a row to its place. The one with the focus would lose it by moving, so the others make way.
   * @param {Element | null} before
   * @param {JobRowElement} element
   */
  putAfter(before, element) {
    const next = () => (before ? before.nextElementSibling : this.canvas.firstElementChild);
    if (element.contains(document.activeElement)) {
      for (let other = next(); other && other !== element; other = next()) this.canvas.append(other);
    } else if (next() !== element) {
      this.canvas.insertBefore(element, next());
    }
  }

  /**
   * @param {string} name
   * @returns {JobRowElement}
   */
  newRow(name) {
    const element = /** @type {JobRowElement} */ (document.createElement("e3-job-row"));
    this.rowElements.set(name, element);
    return element;
  }

  /** @returns {Map<string, number>} worked out once a view, which may be scrolled through for long */
  starts() {
    if (this.startsOf !== this.view) this.startsIn = this.foretell();
    this.startsOf = this.view;
    return this.startsIn;
  }

  /** @returns {Map<string, number>} */
  foretell() {
    const { view } = this;
    const isInOrder = view?.tab === "queue" && !view.isFiltered && sortOf("queue", view.filters) === "order";
    if (!view || !isInOrder || view.state.queue?.paused) return new Map();
    return startTimes(this.rows, view.state.queue?.running ?? [], view.state.stats, view.now);
  }

  /**
   * @param {JobRow} job
   * @param {number} index
   * @param {Map<string, number>} starts
   * @returns {import("./job_row.js").RowView}
   */
  rowView(job, index, starts) {
    const view = /** @type {ListView} */ (this.view);
    return {
      index,
      isSelected: has(view.selection, job.config_name),
      isCurrent: job.config_name === this.current,
      isOpen: job.config_name === view.open,
      chips: this.chipsOf.get(job.config_name) ?? [],
      startsIn: starts.get(job.config_name) ?? null,
      running: view.state.queue?.running.find((each) => each.config_name === job.config_name),
      stats: view.state.stats,
      client: view.client,
      now: view.now,
    };
  }

  /** @param {number} index */
  focusRow(index) {
    const job = this.rows[Math.max(0, Math.min(index, this.rows.length - 1))];
    if (!job) return;
    const at = this.rows.indexOf(job);
    const { height } = this;
    const top = at * height;
    if (top < this.scrollTop) this.scrollTop = top;
    if (top + height > this.scrollTop + this.clientHeight) this.scrollTop = top + height - this.clientHeight;
    this.current = job.config_name;
    this.render();
    this.rowElements.get(job.config_name)?.focus({ preventScroll: true });
  }

  /** @param {FocusEvent} event */
  onFocus(event) {
    const row = this.rowAt(event.target);
    if (!row?.job || row.job.config_name === this.current) return;
    this.current = row.job.config_name;
    this.render();
  }

  /**
   * @param {EventTarget | null} target
   * @returns {JobRowElement | null}
   */
  rowAt(target) {
    return /** @type {JobRowElement | null} */ (/** @type {Element} */ (target).closest("e3-job-row"));
  }

  /** @returns {boolean} */
  canReorder() {
    return Boolean(this.view && this.view.tab === "queue" && sortOf("queue", this.view.filters) === "order");
  }

  /**
   * @param {string} name
   * @param {1 | -1} step
   */
  step(name, step) {
    const place = this.canReorder() ? stepPlace(this.rows, name, step) : null;
    if (place) wish(this, "move", { names: [name], place });
  }

  /**
   * @param {string[]} names
   * @param {number} index
   */
  drop(names, index) {
    const place = this.canReorder() ? dropPlace(this.rows, new Set(names), index) : null;
    if (place) wish(this, "move", { names, place });
  }

  /** @returns {import("./row_drag.js").DragHost} */
  dragHost() {
    return {
      scroller: this,
      rowHeight: () => this.height,
      rowCount: () => this.rows.length,
      canDrag: () => this.canReorder(),
      namesOf: (row) => this.draggedWith(/** @type {JobRowElement} */ (row)),
      drop: (names, index) => this.drop(names, index),
    };
  }

  /**
   * @param {JobRowElement} row
   * @returns {string[]} in the order of the queue
   */
  draggedWith(row) {
    const name = row.job?.config_name ?? "";
    const selection = this.view?.selection;
    if (!selection || selection.all || !selection.names.has(name)) return [name];
    return this.names.filter((each) => selection.names.has(each));
  }
}
