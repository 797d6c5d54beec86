// @ts-check
import { h, setAttr, setText, wish, defineOnce } from "./dom.js";
import { jobFraction, timeLeft } from "./eta.js";
import { duration, nameParts } from "./format.js";
import { progressText } from "./row_text.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").RunningJob} RunningJob */

/** One line on the job that runs, while another view is open. */
export class NowStripElement extends HTMLElement {
  static define() {
    defineOnce("e3-now", NowStripElement);
  }

  connectedCallback() {
    if (this.name) return;
    this.className = "e3-now";
    this.hidden = true;
    this.name = h("span", { class: "e3-now-name" });
    this.step = h("span", { class: "e3-now-step" });
    this.left = h("span", { class: "e3-now-left" });
    this.bar = h("span", { class: "e3-bar", "aria-hidden": "true" }, h("span", { class: "e3-bar-fill" }));
    const button = h(
      "button",
      { type: "button", class: "e3-now-button", onclick: () => wish(this, "tab", { id: "processing" }) },
      this.name,
      this.step,
      this.left,
    );
    this.append(button, this.bar);
  }

  /**
   * @param {RunningJob[]} running
   * @param {import("./types.js").Stats | null} stats
   * @param {number} now
   */
  update(running, stats, now) {
    if (!this.name || !this.step || !this.left || !this.bar) return;
    const job = running.find((each) => each.progress) ?? running[0];
    this.hidden = !job;
    if (!job) return;
    const left = timeLeft(job, stats, now);
    setText(this.name, nameParts(job.config_name).title);
    setText(this.step, progressText(job.progress));
    setText(this.left, left === null ? "" : STRINGS.left(duration(Math.max(left, 1000))));
    fillBar(this.bar, jobFraction(job, stats, now));
  }
}

/**
 * @param {HTMLElement} bar
 * @param {number | null} fraction null: nobody knows, so the bar only says that something goes on
 */
export function fillBar(bar, fraction) {
  setAttr(bar, "data-unknown", fraction === null);
  const width = `${Math.round((fraction ?? 1) * 1000) / 10}%`;
  const fill = /** @type {HTMLElement} */ (bar.firstElementChild);
  if (fill.style.width !== width) fill.style.width = width;
}
