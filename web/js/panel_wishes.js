// @ts-check
/** What the panel does for each wish that comes up from its parts. */

import { showShortcuts } from "./dialogs.js";
import { JobVerbs } from "./panel_jobs.js";
import { panelItems, rowItems } from "./panel_menus.js";
import { noFilters } from "./queue_view.js";
import * as choice from "./selection.js";

export const SHORT_MS = 3_000;

/**
 * @param {import("./panel.js").PanelElement} panel
 * @returns {Record<string, (detail: any, target: HTMLElement) => void>} by the event's name, without the `e3-` in front
 */
export function wishesOf(panel) {
  const { actions, parts } = panel.all;
  const jobs = new JobVerbs(panel);
  const { list, menu, picker } = parts;
  return {
    tab: ({ id }) => panel.showTab(id),
    filters: ({ filters }) => panel.showFilters(filters),
    "clear-filters": () => panel.showFilters({ ...noFilters(), sort: panel.all.seen.filters.sort }),
    loaded: () => panel.render(),
    open: ({ name, isKey }) => panel.openJob(name, isKey),
    "close-details": () => panel.closeJob(),
    "select-toggle": ({ name }) => panel.select(choice.toggle(panel.selection, name, list.names)),
    "select-range": ({ name, keep }) => panel.select(choice.range(panel.selection, name, list.names, keep)),
    "select-all": () => panel.select(choice.everything()),
    "select-none": () => panel.selectNone(),
    "focus-list": () => list.focusRow(list.currentIndex),
    "toggle-pause": () => actions.setQueue(panel.all.store.state.queue?.paused ? "resume" : "pause"),
    reconnect: () => panel.reconnect(),
    "panel-menu": (_, anchor) => menu.openAt(anchor, panelItems(panel, panel.hostFacts())),
    "row-menu": ({ job, anchor, point }) => menu.openAt(anchor, rowItems(list, job, panel.hasCanvas), point),
    "add-files": () => picker.click(),
    "toggle-notices": () => panel.toggleNotices(),
    "show-keys": () => showShortcuts(panel),
    say: ({ text, isError }) => panel.say({ text, tone: isError ? "error" : "info", life: SHORT_MS }),
    "retry-cause": ({ cause }) => actions.retryCause(cause),
    move: ({ names, place }) => jobs.move(names, place),
    copy: (detail) => jobs.copy(detail),
    repin: ({ names }) => actions.repin(names[0]),
    set_priority: (detail) => jobs.setPriority(detail),
    "open-graph": ({ names }) => panel.openGraph(names[0]),
    retry: (detail) => jobs.act("retry", detail),
    cancel: (detail) => jobs.act("cancel", detail),
    delete: (detail) => jobs.act("delete", detail),
    "god-mode": (detail) => jobs.act("god-mode", detail),
  };
}
