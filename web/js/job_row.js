// @ts-check
import { h, refill, setAttr, setText, wish, defineOnce } from "./dom.js";
import { jobFraction } from "./eta.js";
import { nameParts } from "./format.js";
import { icon } from "./icons.js";
import { priorityOf } from "./dialogs.js";
import { fillBar } from "./now_strip.js";
import { linesOf } from "./row_text.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./types.js").RunningJob} RunningJob */
/** @typedef {import("./differs.js").Chip} Chip */

/**
 * @typedef {object} RowView
 * @property {number} index
 * @property {boolean} isSelected
 * @property {boolean} isCurrent
 * @property {boolean} isOpen its details are shown beside the list
 * @property {Chip[]} chips
 * @property {number | null} startsIn
 * @property {RunningJob | undefined} running
 * @property {import("./types.js").Stats | null} stats
 * @property {import("./client.js").Client} client
 * @property {number} now
 */

/** @type {Record<string, {icon: string, label: () => string}>} */
const BUTTONS = {
  "god-mode": { icon: "bolt", label: () => STRINGS.godMode },
  cancel: { icon: "ban", label: () => STRINGS.cancel },
  retry: { icon: "retry", label: () => STRINGS.retry },
  copy: { icon: "copy", label: () => STRINGS.copy },
  "row-menu": { icon: "more", label: () => STRINGS.menu },
};

/** @type {Record<string, string[]>} */
const QUICK = {
  pending: ["god-mode", "cancel", "row-menu"],
  processing: ["cancel", "row-menu"],
  done: ["copy", "row-menu"],
  failed: ["retry", "row-menu"],
  cancelled: ["retry", "row-menu"],
};

/** One job in the list. */
export class JobRowElement extends HTMLElement {
  static define() {
    defineOnce("e3-job-row", JobRowElement);
  }

  connectedCallback() {
    if (!this.nameText) this.build();
  }

  build() {
    this.className = "e3-row";
    this.setAttribute("role", "row");
    this.thumb = h("div", { class: "e3-thumb" });
    this.check = h("input", { type: "checkbox", class: "e3-check", "data-act": "toggle" });
    this.nameText = h("span", { class: "e3-row-name" });
    this.number = h("span", { class: "e3-row-number" });
    this.flags = h("span", { class: "e3-row-flags" });
    this.meta = h("div", { class: "e3-row-meta" });
    this.chips = h("div", { class: "e3-chips" });
    this.bar = h("div", { class: "e3-bar", hidden: true }, h("span", { class: "e3-bar-fill" }));
    this.top = h("div", { class: "e3-row-top" });
    this.time = h("div", { class: "e3-row-time" });
    this.buttons = h("div", { class: "e3-row-buttons", role: "gridcell" });
    const line = h("div", { class: "e3-row-title" }, this.nameText, this.number, this.flags);
    this.append(
      h("div", { class: "e3-row-lead", role: "gridcell" }, this.thumb, this.check),
      h("div", { class: "e3-row-main", role: "gridcell" }, line, this.meta, this.chips, this.bar),
      h("div", { class: "e3-row-side", role: "gridcell" }, this.top, this.time),
      this.buttons,
    );
  }

  /**
   * @param {JobRow} job
   * @param {RowView} view
   */
  show(job, view) {
    if (!this.nameText) this.build();
    this.job = job;
    const { title, number } = nameParts(job.config_name);
    const tabIndex = view.isCurrent ? 0 : -1;
    setText(/** @type {Node} */ (this.nameText), title);
    setText(/** @type {Node} */ (this.number), number && number !== "1" ? `#${number}` : "");
    setAttr(this, "title", job.config_name);
    setAttr(this, "data-status", job.status);
    setAttr(this, "data-open", view.isOpen);
    setAttr(this, "aria-selected", String(view.isSelected));
    setAttr(this, "aria-rowindex", view.index + 1);
    setAttr(this, "tabindex", tabIndex);
    this.showCheck(job, view, tabIndex);
    this.showThumb(job, view);
    this.showFlags(job);
    this.showLines(job, view, tabIndex);
    this.showButtons(job, tabIndex);
    setAttr(this, "aria-label", this.spoken(job, title, view));
  }

  /**
   * @param {JobRow} job
   * @param {RowView} view
   * @param {number} tabIndex
   */
  showCheck(job, view, tabIndex) {
    const check = /** @type {HTMLInputElement} */ (this.check);
    check.checked = view.isSelected;
    check.tabIndex = tabIndex;
    setAttr(check, "aria-label", STRINGS.selectJob(job.config_name));
  }

  /**
   * @param {JobRow} job
   * @param {RowView} view
   */
  showThumb(job, { client }) {
    const hasPicture =
      job.status === "done" && job.outputs_count > 0 && ["image", "video"].includes(job.media);
    const thumb = /** @type {HTMLElement} */ (this.thumb);
    refill(thumb, [job.config_name, job.media, hasPicture && job.end_time], () => [icon(job.media)]);
    if (!hasPicture || thumb.querySelector("img") || thumb.dataset.failed === String(job.end_time)) return;
    const image = h("img", {
      alt: "",
      width: 36,
      height: 36,
      decoding: "async",
      draggable: "false",
      onerror: () => this.noPicture(image, job),
    });
    client.outputUrl(job.config_name, 0, 256).then(
      (url) => (image.src = url),
      () => this.noPicture(image, job),
    );
    thumb.append(image);
  }

  /**
   * @param {HTMLImageElement} image
   * @param {JobRow} job
   */
  noPicture(image, job) {
    image.remove();
    /** @type {HTMLElement} */ (this.thumb).dataset.failed = String(job.end_time);
  }

  /** @param {JobRow} job */
  showFlags(job) {
    const warnings = job.warnings?.length ?? 0;
    const texts = [
      job.run_count > 1 && job.status !== "done" ? `${job.run_count}×` : "",
      job.cancel_requested && job.status === "processing" ? STRINGS.stopping : "",
    ];
    refill(/** @type {HTMLElement} */ (this.flags), [warnings, texts], () => [
      ...texts.filter(Boolean).map((text) => h("span", { class: "e3-flag", textContent: text })),
      warnings
        ? h("span", { class: "e3-flag e3-flag-warn", title: job.warnings.join("\n") }, icon("warn"))
        : null,
    ]);
  }

  /**
   * @param {JobRow} job
   * @param {RowView} view
   * @param {number} tabIndex
   */
  showLines(job, view, tabIndex) {
    const { meta, top, time } = linesOf(job, view);
    setText(/** @type {Node} */ (this.meta), meta);
    setAttr(/** @type {Element} */ (this.meta), "title", job.error_summary ?? null);
    setText(/** @type {Node} */ (this.time), time);
    if (job.status === "pending") this.showPriority(job, tabIndex);
    else refill(/** @type {Element} */ (this.top), ["text", top], () => [top]);
    this.showChips(view.chips);
    const bar = /** @type {HTMLElement} */ (this.bar);
    bar.hidden = job.status !== "processing";
    if (bar.hidden) return;
    const fraction = view.running ? jobFraction(view.running, view.stats, view.now) : null;
    const isWaiting = job.phase === "submitted" || job.phase === "leased";
    fillBar(bar, isWaiting ? 0 : fraction);
    setAttr(bar, "role", "progressbar");
    setAttr(bar, "aria-label", nameParts(job.config_name).title);
    setAttr(bar, "aria-valuenow", fraction === null ? null : Math.round(fraction * 100));
    setAttr(bar, "aria-valuetext", meta);
  }

  /** @param {Chip[]} chips */
  showChips(chips) {
    const box = /** @type {HTMLElement} */ (this.chips);
    box.hidden = chips.length === 0;
    refill(box, chips, () =>
      chips.map(({ key, text, full }) =>
        h(
          "span",
          { class: "e3-chip", title: full },
          h("span", { class: "e3-chip-key", textContent: key }),
          h("span", { textContent: text }),
        ),
      ),
    );
  }

  /**
   * @param {JobRow} job
   * @param {number} tabIndex
   */
  showPriority(job, tabIndex) {
    const top = /** @type {HTMLElement} */ (this.top);
    if (top.querySelector("input")) return;
    const label = STRINGS.editPriority(job.priority);
    refill(top, ["priority", job.priority], () => [
      h("button", {
        type: "button",
        class: "e3-priority",
        "data-act": "edit-priority",
        "aria-label": label,
        title: label,
        textContent: String(job.priority),
      }),
    ]);
    for (const button of top.children) /** @type {HTMLElement} */ (button).tabIndex = tabIndex;
  }

  /** Turn the number into a field; Enter keeps, Esc leaves it as it was. */
  editPriority() {
    const { job, top } = this;
    if (!job || !top || job.status !== "pending" || top.querySelector("input")) return;
    const field = h("input", {
      type: "number",
      class: "e3-priority-field",
      min: 1,
      max: 999,
      value: String(job.priority),
      "aria-label": STRINGS.priority,
    });
    let isOver = false;
    const end = (/** @type {boolean} */ isKept, /** @type {boolean} */ isBack) => {
      if (isOver) return;
      isOver = true;
      const priority = priorityOf(field.value);
      /** @type {any} */ (top).e3Shown = undefined;
      top.replaceChildren();
      this.showPriority(job, this.tabIndex);
      if (isBack) this.focus();
      if (isKept && priority === null) wish(this, "say", { text: STRINGS.priorityRange, isError: true });
      else if (isKept && priority !== job.priority)
        wish(this, "set_priority", { names: [job.config_name], jobs: [job], priority });
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true, true);
      if (event.key === "Escape") end(false, true);
    });
    field.addEventListener("blur", () => end(true, false));
    top.replaceChildren(field);
    field.select();
    field.focus();
  }

  /**
   * @param {JobRow} job
   * @param {number} tabIndex
   */
  showButtons(job, tabIndex) {
    const buttons = /** @type {HTMLElement} */ (this.buttons);
    refill(buttons, job.status, () =>
      QUICK[job.status].map((act) => {
        const label = act === "cancel" && job.status === "processing" ? STRINGS.stop : BUTTONS[act].label();
        const popup = act === "row-menu" ? "menu" : null;
        return h(
          "button",
          {
            type: "button",
            class: "e3-icon-button",
            "data-act": act,
            title: label,
            "aria-label": label,
            "aria-haspopup": popup,
          },
          icon(BUTTONS[act].icon),
        );
      }),
    );
    for (const button of buttons.children) /** @type {HTMLElement} */ (button).tabIndex = tabIndex;
  }

  /**
   * @param {JobRow} job
   * @param {string} title
   * @param {RowView} view
   * @returns {string} the row as a screen reader says it
   */
  spoken(job, title, view) {
    const { meta, top, time } = linesOf(job, view);
    const chips = view.chips.map(({ key, text }) => `${key} ${text}`).join(", ");
    const first = job.status === "pending" ? `${STRINGS.priority} ${job.priority}` : top;
    return [title, STRINGS.status[job.status], first, meta, time, chips].filter(Boolean).join(", ");
  }
}
