// @ts-check
import { h, defineOnce, wish } from "./dom.js";
import { icon } from "./icons.js";
import { STRINGS } from "./strings.js";

const LIFE_MS = 8_000;
const MOST = 3;

/** @typedef {{text: string, tone?: "info" | "error", action?: {label: string, run: () => void}, isUndo?: boolean, lines?: string[], life?: number}} Toast */

/** Short messages at the foot of the panel, some of them with a way back. */
export class ToastsElement extends HTMLElement {
  static define() {
    defineOnce("e3-toasts", ToastsElement);
  }

  connectedCallback() {
    this.className = "e3-toasts";
  }

  /**
   * @param {Toast} toast
   * @returns {() => void} closes it
   */
  show(toast) {
    const life = toast.life ?? (toast.tone === "error" ? 2 * LIFE_MS : LIFE_MS);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const close = () => {
      clearTimeout(timer);
      if (card.contains(document.activeElement)) wish(this, "focus-list");
      card.remove();
    };
    const card = this.cardOf(toast, close);
    for (const old of this.querySelectorAll(".e3-toast-passing")) old.remove();
    card.classList.toggle("e3-toast-passing", !toast.action && !toast.lines && toast.tone !== "error");
    const start = () => {
      clearTimeout(timer);
      if (Number.isFinite(life)) timer = setTimeout(close, life);
    };
    for (const event of ["pointerenter", "focusin"]) card.addEventListener(event, () => clearTimeout(timer));
    for (const event of ["pointerleave", "focusout"]) card.addEventListener(event, start);
    this.append(card);
    while (this.children.length > MOST) this.firstElementChild?.remove();
    start();
    return close;
  }

  /**
   * @param {Toast} toast
   * @param {() => void} close
   * @returns {HTMLElement}
   */
  cardOf(toast, close) {
    const { action } = toast;
    const act = () => {
      close();
      action?.run();
    };
    return h(
      "div",
      { class: `e3-toast${toast.tone === "error" ? " e3-toast-error" : ""}` },
      h(
        "div",
        { class: "e3-toast-text" },
        h("span", { textContent: toast.text }),
        toast.lines?.length
          ? h("ul", {}, ...toast.lines.map((line) => h("li", { textContent: line })))
          : null,
      ),
      action
        ? h("button", {
            type: "button",
            class: "e3-toast-action",
            "data-undo": toast.isUndo,
            textContent: action.label,
            onclick: act,
          })
        : null,
      h(
        "button",
        { type: "button", class: "e3-icon-button", "aria-label": STRINGS.dismiss, onclick: close },
        icon("close"),
      ),
    );
  }

  /** @returns {boolean} whether there was something to undo */
  undoLast() {
    const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (this.querySelectorAll("button[data-undo]"));
    buttons[buttons.length - 1]?.click();
    return buttons.length > 0;
  }
}
