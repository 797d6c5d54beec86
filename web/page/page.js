// @ts-check
/** The panel as a page of its own, without ComfyUI's frontend. */

import { Client } from "../js/client.js";
import { defineElements } from "../js/elements.js";
import { Notifier } from "../js/notifier.js";
import { Store } from "../js/store.js";
import { STRINGS } from "../js/strings.js";
import { badgeText } from "../js/queue_view.js";
import { speak } from "../js/translation.js";
import { pageTransport } from "./transport.js";

await speak(navigator.language, () => fetch(new URL("../i18n", document.baseURI)));
defineElements();
const store = new Store(new Client(pageTransport(document.baseURI)));
const notifier = new Notifier(store);
notifier.start();
const panel = /** @type {import("../js/panel.js").PanelElement} */ (document.createElement("e3-panel"));
panel.attach(store, { fullPage: null, notifier });
document.querySelector("main")?.append(panel);
document.addEventListener("visibilitychange", () => store.visibilityChanged());
store.addEventListener("change", () => {
  const badge = badgeText(store.state.queue?.totals);
  document.title = badge ? `(${badge}) ${STRINGS.title}` : STRINGS.title;
});
store.start();
