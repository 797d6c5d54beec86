// @ts-check
import { h, refill, setText, wish, defineOnce } from "./dom.js";
import { icon } from "./icons.js";
import { tabOf } from "./queue_view.js";
import { STRINGS, number } from "./strings.js";

/** @typedef {import("./types.js").TabId} TabId */

/** @type {Record<string, {icon: string, label: () => string, isDanger?: boolean}>} */
const VERBS = {
  "god-mode": { icon: "bolt", label: () => STRINGS.godMode },
  set_priority: { icon: "flag", label: () => STRINGS.setPriority },
  retry: { icon: "retry", label: () => STRINGS.retry },
  copy: { icon: "copy", label: () => STRINGS.copy },
  cancel: { icon: "ban", label: () => STRINGS.cancel },
  delete: { icon: "trash", label: () => STRINGS.delete, isDanger: true },
};

/** What can be done to the chosen jobs; shown while there are some. */
export class BulkBarElement extends HTMLElement {
  static define() {
    defineOnce("e3-bulk-bar", BulkBarElement);
  }

  connectedCallback() {
    if (this.count) return;
    this.className = "e3-bulk";
    this.hidden = true;
    this.setAttribute("role", "toolbar");
    this.setAttribute("aria-label", STRINGS.chosenJobs);
    this.all = h("input", {
      type: "checkbox",
      class: "e3-check",
      "aria-label": STRINGS.selectAll,
      title: STRINGS.selectAll,
      onchange: () => wish(this, this.all?.checked ? "select-all" : "select-none"),
    });
    this.count = h("span");
    const count = h(
      "span",
      { class: "e3-bulk-count" },
      this.count,
      h("span", { class: "e3-wide-label", textContent: ` ${STRINGS.selectedWord}` }),
    );
    this.verbs = h("div", { class: "e3-bulk-verbs" });
    this.append(this.all, count, this.verbs);
  }

  /**
   * @param {TabId} tab
   * @param {number} chosen
   * @param {number} total
   */
  update(tab, chosen, total) {
    if (!this.count || !this.verbs || !this.all) return;
    this.hidden = chosen === 0;
    setText(this.count, number(chosen));
    this.all.checked = chosen > 0 && chosen >= total;
    this.all.indeterminate = chosen > 0 && chosen < total;
    refill(this.verbs, tab, () => [
      ...tabOf(tab).actions.map((action) =>
        this.button(VERBS[action], () => wish(this, action, { bulk: true })),
      ),
      this.button({ icon: "close", label: () => STRINGS.clearSelection }, () => wish(this, "select-none")),
    ]);
  }

  /**
   * @param {{icon: string, label: () => string, isDanger?: boolean}} verb
   * @param {() => void} run
   * @returns {HTMLButtonElement}
   */
  button(verb, run) {
    const label = verb.label();
    const className = `e3-icon-button${verb.isDanger ? " e3-danger" : ""}`;
    return h(
      "button",
      { type: "button", class: className, title: label, "aria-label": label, onclick: run },
      icon(verb.icon),
    );
  }
}
