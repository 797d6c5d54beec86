// @ts-check
import { BatchWatch } from "./notices.js";

const KEY = "e3.notify";

/** Notifications of the browser, for those who asked for them. */
export class Notifier {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.watch = new BatchWatch();
  }

  start() {
    this.store.isWanted = this.isOn;
    this.store.addEventListener("change", () => this.look());
  }

  /** @returns {boolean} */
  get isOn() {
    return localStorage.getItem(KEY) === "on" && globalThis.Notification?.permission === "granted";
  }

  /** @returns {Promise<boolean>} false when the browser does not allow it */
  async toggle() {
    const wasOn = this.isOn;
    localStorage.setItem(KEY, wasOn ? "off" : "on");
    if (!wasOn && globalThis.Notification?.permission !== "granted")
      await globalThis.Notification?.requestPermission();
    this.store.isWanted = this.isOn;
    return wasOn || this.isOn;
  }

  look() {
    const { queue } = this.store.state;
    const notices = queue ? this.watch.see(queue) : [];
    if (!this.isOn) return;
    for (const { title, body, tag } of notices) new Notification(title, { body, tag });
  }
}
