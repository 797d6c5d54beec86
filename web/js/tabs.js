// @ts-check
import { h, setAttr, setText, wish, defineOnce } from "./dom.js";
import { TABS, countOf, shortCount } from "./queue_view.js";
import { STRINGS, number } from "./strings.js";

/** @typedef {import("./types.js").TabId} TabId */
/** @typedef {import("./store.js").State} State */

/** The five views, each with its count. */
export class TabsElement extends HTMLElement {
  static define() {
    defineOnce("e3-tabs", TabsElement);
  }

  /** Made before it stands in the page: the panel's first drawing comes before its parts are connected. */
  tabs = TABS.map(({ id }) => this.tabOf(id));

  connectedCallback() {
    if (this.childElementCount) return;
    this.className = "e3-tabs";
    this.setAttribute("role", "tablist");
    this.setAttribute("aria-label", STRINGS.panel);
    this.append(...this.tabs.map(({ button }) => button));
    this.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {TabId} id */
  tabOf(id) {
    const count = h("span", { class: "e3-count" });
    const button = h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `e3-tab-${id}`,
        "aria-controls": "e3-view",
        class: "e3-tab",
        onclick: () => wish(this, "tab", { id }),
      },
      count,
      h("span", { class: "e3-tab-label", textContent: STRINGS.tabs[id] }),
    );
    return { id, button, count };
  }

  /**
   * @param {TabId} chosen
   * @param {State} state
   */
  update(chosen, state) {
    for (const { id, button, count } of this.tabs) {
      const n = id === "rejected" ? state.rejections.length : countOf(id, state.queue?.totals ?? {});
      setText(count, state.queue ? shortCount(n) : "–");
      setAttr(button, "aria-selected", String(id === chosen));
      setAttr(button, "aria-label", `${STRINGS.tabs[id]}, ${number(n)}`);
      setAttr(button, "data-alert", n > 0 && (id === "failed" || id === "rejected"));
      button.tabIndex = id === chosen ? 0 : -1;
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { tabs } = this;
    const at = tabs.findIndex(({ button }) => button === document.activeElement);
    /** @type {Record<string, number>} */
    const targets = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 };
    if (at < 0 || !(event.key in targets)) return;
    event.preventDefault();
    event.stopPropagation();
    const { button } = tabs[(targets[event.key] + tabs.length) % tabs.length];
    button.focus();
    button.click();
  }
}
