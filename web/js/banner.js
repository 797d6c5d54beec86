// @ts-check
import { h, refill, wish, defineOnce } from "./dom.js";
import { icon } from "./icons.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./store.js").State} State */
/** @typedef {{code: string, message: string, fix?: string, action?: {label: string, wish: string}}} Line */

const MOST = 2;

/**
 * @param {State} state
 * @returns {Line[]}
 */
function linesOf({ queue, health, error }) {
  /** @type {Line[]} */
  const lines = [];
  const isTold = health?.problems.some((problem) => problem.message === error?.message);
  if (error && !isTold)
    lines.push({
      code: "error",
      message: error.message,
      action: { label: STRINGS.retry, wish: "reconnect" },
    });
  if (queue?.auto_reason) {
    lines.push({
      code: "auto_paused",
      message: STRINGS.pausedBecause(queue.auto_reason),
      action: { label: STRINGS.resume, wish: "toggle-pause" },
    });
  }
  return [...lines, ...(health?.problems ?? [])];
}

/** What the operator should know: a pause by itself, a full queue, a dead worker, a broken setting. */
export class BannerElement extends HTMLElement {
  static define() {
    defineOnce("e3-banner", BannerElement);
  }

  connectedCallback() {
    this.className = "e3-banner";
  }

  /** @param {State} state */
  update(state) {
    const lines = linesOf(state);
    refill(this, [lines, this.isOpen], () => [
      ...lines.slice(0, this.isOpen ? lines.length : MOST).map((line) => this.lineOf(line)),
      lines.length > MOST && !this.isOpen ? this.moreButton(lines.length - MOST, state) : null,
    ]);
  }

  /**
   * @param {number} n
   * @param {State} state
   * @returns {HTMLElement}
   */
  moreButton(n, state) {
    const open = () => {
      this.isOpen = true;
      this.update(state);
    };
    return h("button", { type: "button", class: "e3-link", textContent: STRINGS.more(n), onclick: open });
  }

  /**
   * @param {Line} line
   * @returns {HTMLElement}
   */
  lineOf({ code, message, fix, action }) {
    return h(
      "div",
      { class: "e3-problem", "data-code": code },
      icon("warn"),
      h(
        "div",
        { class: "e3-problem-text" },
        h("p", { textContent: message }),
        fix
          ? h("details", {}, h("summary", { textContent: STRINGS.showFix }), h("p", { textContent: fix }))
          : null,
      ),
      action
        ? h("button", {
            type: "button",
            class: "e3-button",
            textContent: action.label,
            onclick: () => wish(this, action.wish),
          })
        : null,
    );
  }
}
