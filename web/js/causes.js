// @ts-check
import { h, refill, wish, defineOnce } from "./dom.js";
import { icon } from "./icons.js";
import { withoutClass } from "./row_text.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").Cause} Cause */

const MOST = 3;

/** Why jobs failed, most frequent first, each cause with its retry. */
export class CausesElement extends HTMLElement {
  static define() {
    defineOnce("e3-causes", CausesElement);
  }

  connectedCallback() {
    this.className = "e3-causes";
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", STRINGS.causes);
  }

  /** @param {Cause[]} causes */
  update(causes) {
    this.hidden = causes.length === 0;
    const sorted = [...causes].sort((a, b) => b.count - a.count);
    refill(this, [sorted, this.isOpen], () => [
      ...sorted.slice(0, this.isOpen ? sorted.length : MOST).map((cause) => this.lineOf(cause)),
      sorted.length > MOST && !this.isOpen ? this.moreButton(sorted) : null,
    ]);
  }

  /**
   * @param {Cause[]} causes
   * @returns {HTMLElement}
   */
  moreButton(causes) {
    const open = () => {
      this.isOpen = true;
      this.update(causes);
    };
    return h("button", {
      type: "button",
      class: "e3-link",
      textContent: STRINGS.more(causes.length - MOST),
      onclick: open,
    });
  }

  /**
   * @param {Cause} cause
   * @returns {HTMLElement}
   */
  lineOf(cause) {
    const kind = STRINGS.errorType[cause.error_type] ?? cause.error_type;
    return h(
      "div",
      { class: "e3-cause" },
      h(
        "div",
        { class: "e3-cause-text", title: cause.summary },
        h("span", { class: "e3-cause-kind", textContent: kind }),
        h("span", {
          class: "e3-cause-summary",
          textContent: `${cause.workflow_id}: ${withoutClass(cause.summary)}`,
        }),
      ),
      h(
        "button",
        {
          type: "button",
          class: "e3-button",
          "aria-label": STRINGS.retryCauseOf(`${kind}, ${cause.workflow_id}`),
          onclick: () => wish(this, "retry-cause", { cause }),
        },
        icon("retry"),
        h("span", { textContent: STRINGS.retryCause(cause.count) }),
      ),
    );
  }
}
