// @ts-check
import { h } from "./dom.js";

const START_PX = 5;
const EDGE_PX = 36;
const SPEED_PX = 9;

/**
 * What a list must offer so that its rows can be dragged.
 * @typedef {object} DragHost
 * @property {HTMLElement} scroller
 * @property {() => number} rowHeight
 * @property {() => number} rowCount
 * @property {() => boolean} canDrag
 * @property {(row: HTMLElement) => string[]} namesOf the rows that move with this one
 * @property {(names: string[], index: number) => void} drop
 */

/** Drags rows by pointer, so that mouse, pen and touch behave alike and the list scrolls at its edges. */
export class RowDrag {
  /**
   * @param {DragHost} host
   * @param {AbortSignal} signal
   */
  constructor(host, signal) {
    this.host = host;
    this.line = h("div", { class: "e3-drop-line", hidden: true });
    /** @type {{row: HTMLElement, names: string[], startY: number, y: number, isOn: boolean, pointer: number} | null} */
    this.drag = null;
    const { scroller } = host;
    scroller.addEventListener("pointerdown", (event) => this.onDown(event), { signal });
    scroller.addEventListener("pointermove", (event) => this.onMove(event), { signal });
    scroller.addEventListener("pointerup", () => this.end(true), { signal });
    scroller.addEventListener("pointercancel", () => this.end(false), { signal });
    scroller.addEventListener("keydown", (event) => this.onKey(event), { signal, capture: true });
    signal.addEventListener("abort", () => this.end(false));
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = /** @type {HTMLElement | null} */ (target.closest(".e3-row"));
    const isControl = target.closest("button, input, a");
    if (!row || isControl || event.button !== 0 || event.pointerType === "touch" || !this.host.canDrag())
      return;
    this.drag = {
      row,
      names: [],
      startY: event.clientY,
      y: event.clientY,
      isOn: false,
      pointer: event.pointerId,
    };
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const { drag } = this;
    if (!drag) return;
    drag.y = event.clientY;
    if (!drag.isOn && Math.abs(event.clientY - drag.startY) >= START_PX) this.begin(drag);
    if (drag.isOn) this.showLine();
  }

  /** @param {NonNullable<RowDrag["drag"]>} drag */
  begin(drag) {
    drag.isOn = true;
    drag.names = this.host.namesOf(drag.row);
    const { scroller } = this.host;
    scroller.setPointerCapture(drag.pointer);
    scroller.classList.add("e3-dragging");
    scroller.firstElementChild?.append(this.line);
    this.scrollAtEdge();
  }

  /** @returns {number} the row in front of which the pointer is */
  index() {
    const { scroller } = this.host;
    const y = (this.drag?.y ?? 0) - scroller.getBoundingClientRect().top + scroller.scrollTop;
    return Math.max(0, Math.min(this.host.rowCount(), Math.round(y / this.host.rowHeight())));
  }

  showLine() {
    this.line.hidden = false;
    this.line.style.transform = `translateY(${this.index() * this.host.rowHeight()}px)`;
  }

  scrollAtEdge() {
    if (!this.drag?.isOn) return;
    const { scroller } = this.host;
    const { top, bottom } = scroller.getBoundingClientRect();
    if (this.drag.y < top + EDGE_PX) scroller.scrollTop -= SPEED_PX;
    if (this.drag.y > bottom - EDGE_PX) scroller.scrollTop += SPEED_PX;
    this.showLine();
    requestAnimationFrame(() => this.scrollAtEdge());
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key !== "Escape" || !this.drag?.isOn) return;
    event.stopPropagation();
    this.end(false);
  }

  /** @param {boolean} isDropped */
  end(isDropped) {
    const { drag } = this;
    this.drag = null;
    if (!drag?.isOn) return;
    this.drag = drag;
    const index = this.index();
    this.drag = null;
    this.line.hidden = true;
    this.host.scroller.classList.remove("e3-dragging");
    this.swallowClick();
    if (isDropped) this.host.drop(drag.names, index);
  }

  /** The click that follows a drop is no click. */
  swallowClick() {
    const stop = (/** @type {Event} */ event) => event.stopPropagation();
    this.host.scroller.addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => this.host.scroller.removeEventListener("click", stop, { capture: true }), 50);
  }
}
