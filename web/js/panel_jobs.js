// @ts-check
import { askCopy } from "./copy_form.js";
import { askPriority } from "./dialogs.js";
import { bulkFilter, moved } from "./queue_view.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./actions.js").Verb} Verb */
/** @typedef {{names?: string[], jobs?: JobRow[], bulk?: boolean, priority?: number}} Wish */

const MOST_COPIES = 200;
const DEFAULT_PRIORITY = 50;

/** From a wish about jobs to the action: which jobs, what to ask before, what to show meanwhile. */
export class JobVerbs {
  /** @param {import("./panel.js").PanelElement} panel */
  constructor(panel) {
    this.panel = panel;
  }

  /**
   * @param {Wish} detail
   * @returns {import("./actions.js").Target} the jobs a wish is about: those it names, or the chosen ones
   */
  target({ names = [], jobs = [], bulk }) {
    const { tab, filters } = this.panel.all.seen;
    const isRunning = bulk ? tab === "processing" : jobs.some((job) => job.status === "processing");
    if (!bulk) return { names, filter: null, count: names.length, isRunning, before: jobs[0]?.priority };
    if (this.panel.selection.all)
      return { names: [], filter: bulkFilter(tab, filters), count: this.panel.total(), isRunning };
    const chosen = this.panel.all.parts.list.names.filter((name) => this.panel.selection.names.has(name));
    return { names: chosen, filter: null, count: chosen.length, isRunning };
  }

  /**
   * @param {Verb} verb
   * @param {Wish} detail
   */
  async act(verb, detail) {
    const target = this.target(detail);
    if (verb === "delete" && target.names.includes(this.panel.open ?? "")) this.panel.closeJob();
    const isDone = await this.panel.all.actions.run(verb, target, detail.priority);
    if (isDone && detail.bulk) this.panel.selectNone();
  }

  /** @param {Wish} detail */
  async setPriority(detail) {
    const priority =
      detail.priority ??
      (await askPriority(
        this.panel,
        detail.jobs?.[0]?.priority ?? DEFAULT_PRIORITY,
        this.target(detail).count,
      ));
    if (priority !== null) await this.act("set_priority", { ...detail, priority });
  }

  /**
   * @param {string[]} names
   * @param {import("./queue_view.js").Place} place
   */
  move(names, place) {
    const { list } = this.panel.all.parts;
    const hadFocus = list.contains(document.activeElement);
    this.panel.jobs.pretend(moved(list.rows, names, place));
    list.current = names[0];
    this.panel.render();
    if (hadFocus) list.focusRow(list.names.indexOf(names[0]));
    this.panel.all.actions.move(names, place);
  }

  /** @param {Wish} detail */
  async copy(detail) {
    const { client, parts, actions } = this.panel.all;
    const target = this.target(detail);
    const names = (target.filter ? parts.list.names : target.names).slice(0, MOST_COPIES);
    try {
      const all = await Promise.all(names.map(async (name) => (await client.job(name)).inputs ?? {}));
      const inputs = all.length ? await askCopy(this.panel, all) : null;
      if (!inputs) return;
      await actions.copy(names, inputs);
      if (detail.bulk) this.panel.selectNone();
    } catch (error) {
      this.panel.say({ text: /** @type {Error} */ (error).message, tone: "error" });
    }
  }
}
