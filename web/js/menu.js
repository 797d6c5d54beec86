// @ts-check
import { h, defineOnce } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {{icon?: string, label: string, keys?: string, run: () => void, isChecked?: boolean, isDanger?: boolean}} MenuItem */

/** A menu that opens beside its button and closes by itself. */
export class MenuElement extends HTMLElement {
  static define() {
    defineOnce("e3-menu", MenuElement);
  }

  connectedCallback() {
    this.stopper = new AbortController();
    const { signal } = this.stopper;
    this.className = "e3-menu";
    this.hidden = true;
    this.setAttribute("role", "menu");
    this.setAttribute("popover", "manual");
    this.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.addEventListener("focusout", (event) => this.onFocusOut(event), { signal });
  }

  disconnectedCallback() {
    this.stopper?.abort();
    this.hidden = true;
  }

  /**
   * @param {HTMLElement} anchor
   * @param {MenuItem[]} items
   * @param {{x: number, y: number}} [point] where the pointer is, for a context menu
   */
  openAt(anchor, items, point) {
    this.close();
    this.anchor = anchor;
    this.replaceChildren(...items.map((item) => this.itemOf(item)));
    this.hidden = false;
    this.showPopover?.();
    anchor.setAttribute("aria-expanded", "true");
    this.place(point ?? this.cornerOf(anchor));
    this.items()[0]?.focus();
  }

  /**
   * @param {MenuItem} item
   * @returns {HTMLButtonElement}
   */
  itemOf(item) {
    const isCheck = item.isChecked !== undefined;
    return h(
      "button",
      {
        type: "button",
        role: isCheck ? "menuitemcheckbox" : "menuitem",
        "aria-checked": isCheck ? String(item.isChecked) : null,
        class: `e3-menu-item${item.isDanger ? " e3-danger" : ""}`,
        tabIndex: -1,
        onclick: () => {
          this.close(true);
          item.run();
        },
      },
      icon(item.isChecked ? "check" : (item.icon ?? "next")),
      h("span", { textContent: item.label }),
      item.keys ? h("kbd", { textContent: item.keys }) : null,
    );
  }

  /** @returns {HTMLElement[]} */
  items() {
    return /** @type {HTMLElement[]} */ ([...this.children]);
  }

  /**
   * @param {HTMLElement} anchor
   * @returns {{x: number, y: number}}
   */
  cornerOf(anchor) {
    const box = anchor.getBoundingClientRect();
    return { x: box.right - this.offsetWidth, y: box.bottom + 2 };
  }

  /** @param {{x: number, y: number}} point */
  place({ x, y }) {
    const fitX = Math.max(4, Math.min(x, window.innerWidth - this.offsetWidth - 4));
    const fitY = y + this.offsetHeight > window.innerHeight - 4 ? Math.max(4, y - this.offsetHeight - 30) : y;
    this.style.left = `${fitX}px`;
    this.style.top = `${fitY}px`;
  }

  /** @param {boolean} [isBack] give the focus back to where the menu was opened */
  close(isBack = false) {
    if (this.hidden) return;
    this.hidden = true;
    this.hidePopover?.();
    this.anchor?.removeAttribute("aria-expanded");
    if (isBack) this.anchor?.focus();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const items = this.items();
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    /** @type {Record<string, () => void>} */
    const moves = {
      ArrowDown: () => items[(at + 1) % items.length].focus(),
      ArrowUp: () => items[(at - 1 + items.length) % items.length].focus(),
      Home: () => items[0].focus(),
      End: () => items[items.length - 1].focus(),
      Escape: () => this.close(true),
      Tab: () => this.close(true),
    };
    event.stopPropagation();
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }

  /** @param {FocusEvent} event */
  onFocusOut(event) {
    if (!this.contains(/** @type {Node | null} */ (event.relatedTarget))) this.close();
  }
}
