// @ts-check
/** Clicks and keys on the list, as wishes. */

import { wish } from "./dom.js";
import { commandOf } from "./list_keys.js";
import { has } from "./selection.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./job_row.js").JobRowElement} JobRowElement */

export class ListInput {
  /** @param {import("./job_list.js").JobListElement} list */
  constructor(list) {
    this.list = list;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    this.list.addEventListener("click", (event) => this.onClick(event), { signal });
    this.list.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.list.addEventListener("contextmenu", (event) => this.onContextMenu(event), { signal });
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const row = this.list.rowAt(event.target);
    if (!row?.job) return;
    const name = row.job.config_name;
    const button = /** @type {HTMLElement | null} */ (
      /** @type {Element} */ (event.target).closest("[data-act]")
    );
    if (button) return this.press(row, button, event);
    if (event.target instanceof HTMLInputElement) return;
    const isMany =
      this.list.view && (this.list.view.selection.all || this.list.view.selection.names.size > 0);
    if (event.shiftKey) wish(this.list, "select-range", { name, keep: event.ctrlKey || event.metaKey });
    else if (event.ctrlKey || event.metaKey || isMany) wish(this.list, "select-toggle", { name });
    else wish(this.list, "open", { name });
  }

  /**
   * @param {JobRowElement} row
   * @param {HTMLElement} button
   * @param {MouseEvent} event
   */
  press(row, button, event) {
    const name = row.job?.config_name ?? "";
    const act = button.dataset.act ?? "";
    if (act === "toggle")
      wish(this.list, event.shiftKey ? "select-range" : "select-toggle", { name, keep: true });
    else if (act === "edit-priority") row.editPriority();
    else if (act === "row-menu") wish(this.list, "row-menu", { job: row.job, anchor: button });
    else wish(this.list, act, { names: [name], jobs: [row.job] });
  }

  /** @param {MouseEvent} event */
  onContextMenu(event) {
    const row = this.list.rowAt(event.target);
    if (!row?.job || event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    event.stopPropagation();
    wish(this.list, "row-menu", { job: row.job, anchor: row, point: { x: event.clientX, y: event.clientY } });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const row = this.list.rowAt(event.target);
    const command = commandOf(event);
    if (!row?.job || !command || (event.target !== row && !["into", "out"].includes(command))) return;
    event.preventDefault();
    event.stopPropagation();
    this.obey(command, row);
  }

  /**
   * @param {string} command
   * @param {JobRowElement} row
   */
  obey(command, row) {
    const job = /** @type {JobRow} */ (row.job);
    const name = job.config_name;
    const at = this.list.rows.findIndex((each) => each.config_name === name);
    const page = Math.max(1, Math.floor(this.list.clientHeight / this.list.height) - 1);
    const here = { names: [name], jobs: [job] };
    /** @type {Record<string, () => void>} */
    const verbs = {
      up: () => this.list.focusRow(at - 1),
      down: () => this.list.focusRow(at + 1),
      "page-up": () => this.list.focusRow(at - page),
      "page-down": () => this.list.focusRow(at + page),
      first: () => this.list.focusRow(0),
      last: () => this.list.focusRow(this.list.rows.length - 1),
      open: () => wish(this.list, "open", { name, isKey: true }),
      toggle: () => wish(this.list, "select-toggle", { name }),
      extend: () => wish(this.list, "select-range", { name }),
      "extend-up": () => this.extend(at - 1, name),
      "extend-down": () => this.extend(at + 1, name),
      "select-all": () => wish(this.list, "select-all"),
      remove: () =>
        wish(
          this.list,
          this.isChosen(name) ? this.removal() : removalOf(job),
          this.isChosen(name) ? { bulk: true } : here,
        ),
      retry: () =>
        ["failed", "cancelled"].includes(job.status) &&
        wish(this.list, "retry", this.isChosen(name) ? { bulk: true } : here),
      priority: () => row.editPriority(),
      "god-mode": () => job.status === "pending" && wish(this.list, "god-mode", here),
      menu: () => wish(this.list, "row-menu", { job, anchor: row }),
      into: () => this.moveInRow(row, 1),
      out: () => this.moveInRow(row, -1),
      "move-up": () => this.list.step(name, -1),
      "move-down": () => this.list.step(name, 1),
      "move-end": () => this.list.drop([name], this.list.rows.length),
    };
    verbs[command]?.();
  }

  /**
   * @param {string} name
   * @returns {boolean} whether it is one of several that are chosen
   */
  isChosen(name) {
    const selection = this.list.view?.selection;
    return Boolean(selection && has(selection, name) && (selection.all || selection.names.size > 1));
  }

  /** @returns {string} */
  removal() {
    return this.list.view?.tab === "processing" ? "cancel" : "delete";
  }

  /**
   * @param {number} index
   * @param {string} from
   */
  extend(index, from) {
    const job = this.list.rows[index];
    if (!job) return;
    if (!this.list.view?.selection.anchor) wish(this.list, "select-toggle", { name: from });
    wish(this.list, "select-range", { name: job.config_name });
    this.list.focusRow(index);
  }

  /**
   * @param {JobRowElement} row
   * @param {1 | -1} step
   */
  moveInRow(row, step) {
    const stops = /** @type {HTMLElement[]} */ ([row, ...row.querySelectorAll("button, input")]);
    const at = stops.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    stops[Math.max(0, Math.min(stops.length - 1, at + step))].focus();
  }
}

/**
 * @param {JobRow} job
 * @returns {string}
 */
const removalOf = (job) => (job.status === "processing" ? "cancel" : "delete");
