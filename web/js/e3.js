// @ts-check
/** ComfyUI's entry: registers the sidebar tab and defines the elements. */

// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
import { comfyTransport, fullPageUrl } from "./api.js";
import { Client } from "./client.js";
import { defineElements } from "./elements.js";
import { Notifier } from "./notifier.js";
import { badgeText } from "./queue_view.js";
import { Store } from "./store.js";
import { STRINGS } from "./strings.js";

const TAB_ID = "e3";

const store = new Store(new Client(comfyTransport));

/** The frontend gives a tab no height of its own; the panel takes what its scrolling parent shows. */
function fitHeight(/** @type {HTMLElement} */ panel) {
  const parent = panel.closest(".sidebar-content-container") ?? panel.parentElement?.parentElement;
  if (!parent) return;
  const fit = () => panel.style.setProperty("--e3-height", `${parent.clientHeight}px`);
  new ResizeObserver(fit).observe(parent);
  fit();
}

/** Load the styles beside this file, and the panel once they are there. */
function addStyles() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./e3.css", import.meta.url).href;
  document.head.append(link);
}

/** @returns {import("./panel.js").PanelElement} */
function makePanel() {
  const notifier = new Notifier(store);
  notifier.start();
  const panel = /** @type {import("./panel.js").PanelElement} */ (document.createElement("e3-panel"));
  panel.attach(store, { fullPage: fullPageUrl(), notifier });
  return panel;
}

/** Waits for the panel to be in the page: a tab may be drawn before it is. */
function whenConnected(/** @type {HTMLElement} */ element, /** @type {() => void} */ run, tries = 30) {
  if (element.isConnected) run();
  else if (tries) requestAnimationFrame(() => whenConnected(element, run, tries - 1));
}

function showBadge() {
  const tab = app.extensionManager
    .getSidebarTabs()
    .find((/** @type {{id: string}} */ each) => each.id === TAB_ID);
  const text = badgeText(store.state.queue?.totals);
  if (tab && tab.iconBadge !== text) tab.iconBadge = text;
}

app.registerExtension({
  name: "comfyui-e3.queue",
  setup() {
    const manager = app.extensionManager;
    if (manager.getSidebarTabs().some((/** @type {{id: string}} */ each) => each.id === TAB_ID)) return;
    defineElements();
    addStyles();
    const panel = makePanel();
    manager.registerSidebarTab({
      id: TAB_ID,
      icon: "pi pi-list-check",
      title: STRINGS.title,
      label: "E3",
      tooltip: STRINGS.tooltip,
      type: "custom",
      iconBadge: null,
      render: (/** @type {HTMLElement} */ el) => {
        if (panel.parentElement !== el || el.childElementCount !== 1) el.replaceChildren(panel);
        whenConnected(panel, () => fitHeight(panel));
      },
    });
    store.addEventListener("change", showBadge);
    document.addEventListener("visibilitychange", () => store.visibilityChanged());
    store.start();
  },
});
