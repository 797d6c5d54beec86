// @ts-check
import { BatchWatch } from "./notices.js";

const KEY = "e3.notify";

/**
 * Where it is kept whether somebody wants notifications.
 * @typedef {{read: () => boolean, write: (isOn: boolean) => unknown}} Shelf
 */

/** @type {Shelf} */
const BROWSER_SHELF = {
  read: () => localStorage.getItem(KEY) === "on",
  write: (isOn) => localStorage.setItem(KEY, isOn ? "on" : "off"),
};

/** Notifications of the browser, for those who asked for them. */
export class Notifier {
  /**
   * @param {import("./store.js").Store} store
   * @param {Shelf} [shelf]
   */
  constructor(store, shelf = BROWSER_SHELF) {
    this.store = store;
    this.shelf = shelf;
    this.watch = new BatchWatch();
    /** @type {Promise<unknown> | null} */
    this.asking = null;
  }

  start() {
    this.store.isWanted = () => this.isOn;
    this.store.addEventListener("change", () => this.look());
  }

  /** @returns {boolean} */
  get isOn() {
    return globalThis.Notification?.permission === "granted" && this.shelf.read();
  }

  /** @returns {Promise<boolean>} false when the browser does not allow it */
  async toggle() {
    const wasOn = this.isOn;
    const kept = this.shelf.write(!wasOn);
    if (!wasOn) await this.askPermission();
    await kept;
    return wasOn || this.isOn;
  }

  /** Ask the person, one question however many want to know; what was answered before is not asked again. */
  async askPermission() {
    if (globalThis.Notification?.permission !== "default") return;
    this.asking ??= Notification.requestPermission().finally(() => (this.asking = null));
    await this.asking;
  }

  look() {
    const { queue } = this.store.state;
    const notices = queue ? this.watch.see(queue) : [];
    if (!this.isOn) return;
    for (const { title, body, tag } of notices) new Notification(title, { body, tag });
  }
}
