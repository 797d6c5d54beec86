// @ts-check
/** ComfyUI's entry: registers the sidebar tab, the commands and the settings, and defines the elements. */

// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
import { comfyTransport, fullPageUrl } from "./api.js";
import { Client } from "./client.js";
import { NOTIFY, UNDO_SECONDS, comfyParts, undoMs } from "./comfy_extension.js";
import { defineElements } from "./elements.js";
import { Notifier } from "./notifier.js";
import { badgeText } from "./queue_view.js";
import { Store } from "./store.js";
import { STRINGS } from "./strings.js";
import { speak } from "./translation.js";

const TAB_ID = "e3";
const SHORT_MS = 3_000;

const store = new Store(new Client(comfyTransport));
const notifier = new Notifier(store, {
  read: () => app.extensionManager.setting.get(NOTIFY) === true,
  write: (isOn) => app.extensionManager.setting.set(NOTIFY, isOn),
});
/** @type {import("./panel.js").PanelElement | undefined} */
let panel;

/** The frontend gives a tab no height of its own; the panel takes what its scrolling parent shows. */
function fitHeight(/** @type {HTMLElement} */ element) {
  const parent = element.closest(".sidebar-content-container") ?? element.parentElement?.parentElement;
  if (!parent) return;
  const fit = () => element.style.setProperty("--e3-height", `${parent.clientHeight}px`);
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

/** Open a graph as a workflow of its own; what is on the canvas stays in its tab. */
const openGraph = async (/** @type {object} */ graph, /** @type {string} */ title) =>
  app.loadApiJson(graph, title);

/** @returns {import("./panel.js").PanelElement} */
function makePanel() {
  notifier.start();
  const made = /** @type {import("./panel.js").PanelElement} */ (document.createElement("e3-panel"));
  made.attach(store, {
    fullPage: fullPageUrl(),
    notifier,
    openGraph: typeof app.loadApiJson === "function" ? openGraph : undefined,
    undoMs: () => undoMs(app.extensionManager.setting.get(UNDO_SECONDS)),
  });
  return made;
}

/** Waits for the panel to be in the page: a tab may be drawn before it is. */
function whenConnected(/** @type {HTMLElement} */ element, /** @type {() => void} */ run, tries = 30) {
  if (element.isConnected) run();
  else if (tries) requestAnimationFrame(() => whenConnected(element, run, tries - 1));
}

/** Bring the panel to the screen, wherever the sidebar is. */
function showPanel(/** @type {(panel: import("./panel.js").PanelElement) => void} */ then) {
  const shown = panel;
  if (!shown) return;
  const { sidebarTab, command } = app.extensionManager;
  if (sidebarTab.activeSidebarTabId !== TAB_ID) command.execute(`Workspace.ToggleSidebarTab.${TAB_ID}`);
  whenConnected(shown, () => then(shown));
}

/** Says how it went by ComfyUI's own toast: the panel may not be on the screen. */
async function togglePause() {
  const { toast } = app.extensionManager;
  const { paused } = await store.client.queue();
  const verb = paused ? "resume" : "pause";
  await store.client.setQueue(verb);
  store.soon(0);
  const text = STRINGS.done[verb];
  if (toast.success) toast.success(text);
  else toast.add({ severity: "success", summary: text, life: SHORT_MS });
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
  ...comfyParts({
    show: () => showPanel((each) => each.focusTab()),
    togglePause,
    submit: () => showPanel((each) => each.all.parts.picker.click()),
    openPage: () => window.open(fullPageUrl(), "_blank", "noopener"),
    askPermission: () => notifier.askPermission(),
  }),
  async setup() {
    const manager = app.extensionManager;
    await speak(String(manager.setting.get("Comfy.Locale") ?? "en"), () => comfyTransport.fetch("/i18n"));
    if (manager.getSidebarTabs().some((/** @type {{id: string}} */ each) => each.id === TAB_ID)) return;
    defineElements();
    addStyles();
    const made = makePanel();
    panel = made;
    manager.registerSidebarTab({
      id: TAB_ID,
      icon: "pi pi-list-check",
      title: STRINGS.title,
      label: "E3",
      tooltip: STRINGS.tooltip,
      type: "custom",
      iconBadge: null,
      render: (/** @type {HTMLElement} */ el) => {
        if (made.parentElement !== el || el.childElementCount !== 1) el.replaceChildren(made);
        whenConnected(made, () => fitHeight(made));
      },
    });
    store.addEventListener("change", showBadge);
    document.addEventListener("visibilitychange", () => store.visibilityChanged());
    store.start();
  },
});
