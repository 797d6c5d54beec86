// @ts-check
import { Actions } from "./actions.js";
import { askToken, confirm } from "./dialogs.js";
import { defineOnce, setText } from "./dom.js";
import { emptyState } from "./empty.js";
import { FileDoor } from "./file_door.js";
import { JobPages } from "./job_pages.js";
import { arrange, makeParts } from "./panel_parts.js";
import { keepView, readView } from "./panel_view.js";
import { wishesOf } from "./panel_wishes.js";
import { countOf, isFiltered, jobsQuery } from "./queue_view.js";
import * as choice from "./selection.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").TabId} TabId */
/** @typedef {import("./store.js").Store} Store */
/**
 * What differs between ComfyUI and the page.
 * @typedef {object} Host
 * @property {string | null} fullPage where the page is, for those who are not on it
 * @property {import("./notifier.js").Notifier} notifier
 * @property {(graph: object, title: string) => Promise<void>} [openGraph] where there is a canvas
 * @property {() => number} [undoMs] how long an undo is offered, where that is a setting
 */

const PAGE_SIZE = 200;
const SECOND = 1_000;
const CALM_TICKS = 15;
/** From this width on the details stand beside the list, as the styles say too. */
const BESIDE_PX = 760;

/** The whole panel: shows the store's state, turns wishes into requests. */
export class PanelElement extends HTMLElement {
  static define() {
    defineOnce("e3-panel", PanelElement);
  }

  selection = choice.nothing();
  /** @type {JobPages | null} */
  pages = null;
  /** @type {string | null} the job whose details are shown */
  open = null;
  ticks = 0;
  emptyMark = "";

  /**
   * Give the panel what it shows, before it is put into a page.
   * @param {Store} store
   * @param {Host} host
   */
  attach(store, host) {
    const { client } = store;
    const voice = {
      toast: (/** @type {import("./toasts.js").Toast} */ toast) => this.say(toast),
      confirm: (/** @type {import("./dialogs.js").Question} */ question) => confirm(this, question),
    };
    client.askToken = () => askToken(this);
    const parts = makeParts();
    parts.details.hasCanvas = Boolean(host.openGraph);
    const seen = readView(sessionStorage);
    const actions = new Actions(client, voice, () => this.reload());
    const door = new FileDoor(this, parts, client, voice, () => this.reload());
    /** Everything the panel works with; set once. */
    this.kit = { store, host, client, parts, seen, actions, door };
    this.className = "e3-panel";
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", STRINGS.panel);
    this.append(...arrange(parts));
  }

  get all() {
    if (!this.kit) throw new Error("e3-panel: attach() comes before the page");
    return this.kit;
  }

  get jobs() {
    this.pages ??= this.newPages();
    return this.pages;
  }

  connectedCallback() {
    const { store, door } = this.all;
    this.stopper = new AbortController();
    const { signal } = this.stopper;
    store.viewers += 1;
    for (const event of ["change", "progress"])
      store.addEventListener(event, () => this.render(), { signal });
    store.addEventListener("jobs", () => this.reloadList(), { signal });
    for (const [name, act] of Object.entries(wishesOf(this))) {
      const listener = (/** @type {Event} */ event) =>
        act(/** @type {CustomEvent} */ (event).detail, /** @type {HTMLElement} */ (event.target));
      this.addEventListener(`e3-${name}`, listener, { signal });
    }
    this.addEventListener("keydown", (event) => this.onKey(event), { signal });
    door.listen(signal);
    this.clock = setInterval(() => this.tick(), SECOND);
    this.render();
    store.soon(0);
    this.reloadList();
  }

  disconnectedCallback() {
    this.stopper?.abort();
    clearInterval(this.clock);
    this.all.store.viewers -= 1;
  }

  /** @returns {JobPages} an empty list for the present tab and filters */
  newPages() {
    const { client, seen } = this.all;
    const { tab, filters } = seen;
    return new JobPages((cursor) => client.jobs(jobsQuery(tab, filters, cursor, PAGE_SIZE)));
  }

  /** Times go on by themselves: each second while a job runs, else now and then. */
  tick() {
    this.ticks += 1;
    const isBusy = Boolean(this.all.store.state.queue?.running.length);
    if (!document.hidden && (isBusy || this.ticks % CALM_TICKS === 0)) this.render();
  }

  /** Show what is known; identical data writes nothing. */
  render() {
    if (!this.isConnected) return;
    const { store, parts, seen } = this.all;
    const { state } = store;
    const { tab, filters } = seen;
    const now = Date.now();
    parts.header.update(state, now);
    parts.banner.update(state);
    parts.tabs.update(tab, state);
    parts.now.update(tab === "processing" ? [] : (state.queue?.running ?? []), state.stats, now);
    parts.filters.hidden = tab === "rejected";
    parts.filters.update(tab, filters, this.workflows());
    parts.bulk.update(tab, choice.size(this.selection, this.total()), this.total());
    parts.filters.classList.toggle("e3-covered", !parts.bulk.hidden);
    parts.causes.update(tab === "failed" ? (state.stats?.failures ?? []) : []);
    parts.view.setAttribute("aria-labelledby", `e3-tab-${tab}`);
    this.classList.toggle("e3-with-details", this.open !== null);
    this.renderView(now);
  }

  /** @param {number} now */
  renderView(now) {
    const { store, parts, seen, client } = this.all;
    const { tab, filters } = seen;
    const { state } = store;
    const isJobs = tab !== "rejected";
    const isEmpty = isJobs ? this.jobs.isLoaded && !this.jobs.rows.length : !state.rejections.length;
    parts.list.hidden = !isJobs || isEmpty;
    parts.rejections.hidden = isJobs || isEmpty;
    this.renderEmpty(isEmpty);
    if (!isJobs) return parts.rejections.update(state.rejections, now);
    const view = {
      pages: this.jobs,
      client,
      tab,
      filters,
      selection: this.selection,
      state,
      open: this.open,
      now,
    };
    return parts.list.update({ ...view, isFiltered: isFiltered(filters) });
  }

  /** @param {boolean} isEmpty */
  renderEmpty(isEmpty) {
    const { parts, seen } = this.all;
    const isSearch = seen.tab !== "rejected" && isFiltered(seen.filters);
    const mark = isEmpty ? `${seen.tab} ${isSearch}` : "";
    parts.empty.hidden = !isEmpty;
    if (this.emptyMark === mark) return;
    this.emptyMark = mark;
    parts.empty.replaceChildren(...(isEmpty ? [emptyState(seen.tab, isSearch)] : []));
  }

  /** @returns {string[]} those with jobs at hand */
  workflows() {
    const known = Object.keys(this.all.store.state.stats?.workflows ?? {});
    return [...new Set([...known, ...this.jobs.rows.slice(0, PAGE_SIZE).map((job) => job.workflow_id)])];
  }

  /** @returns {number} how many jobs match the tab and its filter */
  total() {
    const { rows, totals, isComplete } = this.jobs;
    return isComplete ? rows.length : Math.max(rows.length, countOf(this.all.seen.tab, totals));
  }

  /** @param {TabId} id */
  showTab(id) {
    const { seen, store } = this.all;
    if (seen.tab === id) return;
    seen.tab = id;
    this.open = null;
    this.changeView();
    const { rejections, queue } = store.state;
    const n = id === "rejected" ? rejections.length : countOf(id, queue?.totals ?? {});
    this.announce(STRINGS.announceCount(n, STRINGS.tabs[id]));
  }

  /** @param {import("./types.js").Filters} filters */
  showFilters(filters) {
    this.all.seen.filters = filters;
    this.changeView();
  }

  changeView() {
    keepView(sessionStorage, this.all.seen);
    this.pages = this.newPages();
    this.selection = choice.nothing();
    this.render();
    this.reloadList();
  }

  /** Look again at what is on the screen. */
  async reloadList() {
    const { parts, seen, client } = this.all;
    const { jobs } = this;
    if (!this.isConnected) return;
    if (this.open) parts.details.load(client, this.open);
    if (seen.tab === "rejected") return;
    jobs.markStale();
    const { first, last } = parts.list.window();
    const hasChanged = await jobs.look(first, last).catch(() => false);
    if (!hasChanged || jobs !== this.pages) return;
    if (jobs.isComplete) this.selection = choice.prune(this.selection, parts.list.names);
    this.render();
    parts.list.fetchSeen();
  }

  reload() {
    this.all.store.soon(0, true);
    this.reloadList();
  }

  reconnect() {
    this.all.client.isDeclined = false;
    this.reload();
  }

  /** @param {import("./selection.js").Selection} selection */
  select(selection) {
    this.selection = selection;
    this.render();
    this.announce(STRINGS.selected(choice.size(selection, this.total())));
  }

  /**
   * @param {string} name
   * @param {boolean} [isKey]
   */
  openJob(name, isKey = false) {
    const { parts, client } = this.all;
    this.open = name;
    this.render();
    parts.details.load(client, name);
    if (isKey || this.clientWidth < BESIDE_PX) parts.details.focusHeading();
  }

  closeJob() {
    const { list } = this.all.parts;
    const at = list.names.indexOf(this.open ?? "");
    if (!this.open) return;
    this.open = null;
    this.render();
    list.focusRow(Math.max(0, at));
  }

  /** The buttons for many jobs go away with the selection; the focus goes back to the list. */
  selectNone() {
    const { bulk, list } = this.all.parts;
    const hadFocus = bulk.contains(document.activeElement) || document.activeElement === document.body;
    this.select(choice.nothing());
    if (hadFocus) list.focusRow(list.currentIndex);
  }

  get hasCanvas() {
    return Boolean(this.all.host.openGraph);
  }

  /** @param {string} name */
  openGraph(name) {
    const { actions, host } = this.all;
    if (host.openGraph) actions.openGraph(name, host.openGraph);
  }

  /** Put the focus where the keys go on from. */
  focusTab() {
    /** @type {HTMLElement | null} */ (this.querySelector("[role=tab][aria-selected=true]"))?.focus();
  }

  /** @returns {{fullPage: string | null, isNotifying: boolean}} */
  hostFacts() {
    const { fullPage, notifier } = this.all.host;
    return { fullPage, isNotifying: notifier.isOn };
  }

  async toggleNotices() {
    const { notifier } = this.all.host;
    const isAllowed = await notifier.toggle();
    if (!isAllowed) this.say({ text: STRINGS.notifyDenied, tone: "error" });
    else if (notifier.isOn) this.say({ text: STRINGS.notifyOn });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { toasts, filters } = this.all.parts;
    if (event.target instanceof HTMLSelectElement) event.stopPropagation();
    const isTyping = event.target instanceof HTMLInputElement && event.target.type !== "checkbox";
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (isTyping || !(isUndo || event.key === "/" || event.key === "Escape")) return;
    if (isUndo && !toasts.undoLast()) return;
    if (event.key === "Escape" && !this.stepBack()) return;
    if (event.key === "/") filters.search?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** @returns {boolean} whether Esc had something to close */
  stepBack() {
    if (this.open) this.closeJob();
    else if (this.selection.all || this.selection.names.size) this.select(choice.nothing());
    else return false;
    return true;
  }

  /**
   * @param {import("./toasts.js").Toast} toast
   * @returns {() => void}
   */
  say(toast) {
    this.announce([toast.text, ...(toast.lines ?? [])].join(". "));
    const life = toast.isUndo ? this.all.host.undoMs?.() : undefined;
    return this.all.parts.toasts.show({ life, ...toast });
  }

  /** @param {string} text */
  announce(text) {
    setText(this.all.parts.live, text);
  }
}
