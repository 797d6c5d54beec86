// @ts-check
import { h, setAttr, setText, wish, defineOnce } from "./dom.js";
import { clock, roughly } from "./format.js";
import { icon } from "./icons.js";
import { STRINGS, number } from "./strings.js";

/** @typedef {import("./store.js").State} State */

/**
 * @param {State} state
 * @returns {"offline" | "self" | "paused" | "running" | "idle"}
 */
function moodOf({ queue, error }) {
  if (error || !queue) return error ? "offline" : "idle";
  if (queue.auto_reason) return "self";
  if (queue.paused) return "paused";
  return queue.running.length ? "running" : "idle";
}

/** The title, what the queue is doing, and the button that stops it. */
export class HeaderElement extends HTMLElement {
  static define() {
    defineOnce("e3-header", HeaderElement);
  }

  /** @type {boolean | null} */
  shownPaused = null;

  connectedCallback() {
    if (this.line) return;
    this.className = "e3-header";
    this.line = h("span", { class: "e3-state-text" });
    this.dot = h("span", { class: "e3-dot", "aria-hidden": "true" });
    this.pauseLabel = h("span", { class: "e3-wide-label" });
    this.pauseIcon = h("span", { class: "e3-icon-slot" });
    this.pause = h(
      "button",
      { type: "button", class: "e3-button e3-pause", onclick: () => wish(this, "toggle-pause") },
      this.pauseIcon,
      this.pauseLabel,
    );
    const menu = h(
      "button",
      {
        type: "button",
        class: "e3-icon-button",
        "aria-label": STRINGS.menu,
        title: STRINGS.menu,
        "aria-haspopup": "menu",
        onclick: () => wish(menu, "panel-menu"),
      },
      icon("more"),
    );
    this.append(
      h(
        "div",
        { class: "e3-heading" },
        h("h1", { textContent: STRINGS.title }),
        h("p", { class: "e3-state" }, this.dot, this.line),
      ),
      this.pause,
      menu,
    );
  }

  /**
   * @param {State} state
   * @param {number} now
   */
  update(state, now) {
    if (!this.line || !this.pause || !this.pauseLabel || !this.pauseIcon) return;
    const mood = moodOf(state);
    setAttr(this, "data-mood", mood);
    setText(this.line, this.sentence(state, mood, now));
    setAttr(this.line, "title", this.line.textContent);
    const isPaused = Boolean(state.queue?.paused);
    setText(this.pauseLabel, isPaused ? STRINGS.resume : STRINGS.pause);
    setAttr(this.pause, "aria-label", isPaused ? STRINGS.resume : STRINGS.pause);
    setAttr(this.pause, "title", isPaused ? STRINGS.resumeHint : STRINGS.pauseHint);
    setAttr(this.pause, "disabled", !state.queue);
    if (this.shownPaused === isPaused) return;
    this.shownPaused = isPaused;
    this.pause.classList.toggle("e3-primary", isPaused);
    this.pauseIcon.replaceChildren(icon(isPaused ? "play" : "pause"));
  }

  /**
   * @param {State} state
   * @param {string} mood
   * @param {number} now
   * @returns {string}
   */
  sentence({ queue, stats }, mood, now) {
    if (mood === "offline") return STRINGS.offline;
    if (!queue) return STRINGS.loading;
    const { pending } = queue.totals;
    if (mood === "self") return STRINGS.autoPaused;
    if (mood === "paused")
      return pending
        ? `${STRINGS.paused} · ${number(pending)} ${STRINGS.status.pending.toLowerCase()}`
        : STRINGS.paused;
    if (mood === "idle" && !pending) return STRINGS.idle;
    const left = pending + queue.running.length ? stats?.eta?.p50_ms : 0;
    return left ? STRINGS.queueEta(roughly(left), clock(now + left, now)) : STRINGS.running;
  }
}
