// @ts-check
/** What happens when somebody asks for something: the request, the message, the way back. */

import { nameParts } from "./format.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./toasts.js").Toast} Toast */
/** @typedef {"retry" | "cancel" | "delete" | "god-mode" | "set_priority"} Verb */

/**
 * @typedef {object} Target
 * @property {string[]} names
 * @property {object | null} filter everything that matches, instead of names
 * @property {number} count
 * @property {number} [before] the priority that one job had
 * @property {boolean} [isRunning] a running job is stopped; there is no way back to where it was
 */

/**
 * @typedef {object} Voice
 * @property {(toast: Toast) => () => void} toast
 * @property {(question: import("./dialogs.js").Question) => Promise<boolean>} confirm
 */

const SHORT_MS = 3_000;
const BULK_NAMES = 2_000;
/** Asking first pays only where one click reaches far. */
const ASK_FROM = 20;

export class Actions {
  /**
   * @param {Client} client
   * @param {Voice} voice
   * @param {() => void} refresh
   */
  constructor(client, voice, refresh) {
    this.client = client;
    this.voice = voice;
    this.refresh = refresh;
  }

  /**
   * Do it, say how it ended, and look again.
   * @param {() => Promise<void>} work
   */
  async attempt(work) {
    try {
      await work();
    } catch (error) {
      this.voice.toast({ text: /** @type {Error} */ (error).message, tone: "error" });
    }
    this.refresh();
  }

  /**
   * @param {Verb} verb
   * @param {Target} target
   * @param {number} [priority]
   * @returns {Promise<boolean>} false when the person thought better of it
   */
  async run(verb, target, priority) {
    if (!target.count || !(await this.isMeant(verb, target))) return false;
    await this.attempt(async () => {
      const isOne = target.names.length === 1 && !target.filter;
      const changed = isOne
        ? await this.runOne(verb, target.names[0], priority)
        : await this.runMany(verb, target, priority);
      if (changed.length) this.tell(verb, changed, target, priority ?? 0);
    });
    return true;
  }

  /**
   * @param {Verb} verb
   * @param {Target} target
   * @returns {Promise<boolean>}
   */
  async isMeant(verb, { count }) {
    if (count < ASK_FROM || verb === "set_priority") return true;
    /** @type {Record<string, string>} */
    const names = {
      retry: STRINGS.retry,
      cancel: STRINGS.cancel,
      delete: STRINGS.delete,
      "god-mode": STRINGS.godMode,
    };
    const title = STRINGS.confirm.title(names[verb], count);
    return this.voice.confirm({
      title,
      text: STRINGS.confirm[verb],
      ok: names[verb],
      isDanger: verb === "delete",
    });
  }

  /**
   * @param {Verb} verb
   * @param {string} name
   * @param {number} [priority]
   * @returns {Promise<string[]>}
   */
  async runOne(verb, name, priority) {
    if (verb === "delete") await this.client.remove(name);
    else if (verb === "set_priority") await this.client.setPriority(name, priority ?? 0);
    else await this.client.act(name, verb);
    return [name];
  }

  /**
   * @param {Verb} verb
   * @param {Target} target
   * @param {number} [priority]
   * @returns {Promise<string[]>} the names that were changed
   */
  async runMany(verb, target, priority) {
    const extra = verb === "set_priority" ? { priority } : {};
    const answers = target.filter
      ? [await this.client.bulk({ action: verb, filter: target.filter, ...extra })]
      : await this.bulkByNames(verb, target.names, extra);
    const results = answers.flatMap((answer) => answer.results);
    const refused = results.filter((each) => !each.ok);
    if (refused.length)
      this.voice.toast({ text: STRINGS.someRefused(refused.length, reasonOf(refused[0])), tone: "error" });
    return results.filter((each) => each.ok).map((each) => each.config_name);
  }

  /**
   * @param {Verb} verb
   * @param {string[]} names
   * @param {object} extra
   * @returns {Promise<import("./client.js").BulkAnswer[]>}
   */
  async bulkByNames(verb, names, extra) {
    const answers = [];
    for (let at = 0; at < names.length; at += BULK_NAMES) {
      answers.push(
        await this.client.bulk({ action: verb, names: names.slice(at, at + BULK_NAMES), ...extra }),
      );
    }
    return answers;
  }

  /**
   * @param {Verb} verb
   * @param {string[]} names
   * @param {Target} target
   * @param {number} priority
   */
  tell(verb, names, { before, isRunning }, priority) {
    const text = STRINGS.done[verb](whatOf(names), priority);
    const undo = {
      delete: () => this.restore(names),
      cancel: () => this.retryAll(names),
      set_priority: () => this.client.setPriority(names[0], before ?? 0),
    };
    const hasUndo =
      verb === "delete" ||
      (verb === "cancel" && !isRunning) ||
      (verb === "set_priority" && before && names.length === 1);
    if (!hasUndo) this.voice.toast({ text, life: SHORT_MS });
    else
      this.voice.toast({
        text,
        action: { label: STRINGS.undo, run: () => this.undo(undo[verb]) },
        isUndo: true,
      });
  }

  /** @param {() => Promise<unknown>} work */
  undo(work) {
    return this.attempt(async () => {
      await work();
      this.voice.toast({ text: STRINGS.done.undone, life: SHORT_MS });
    });
  }

  /** @param {string[]} names @returns {Promise<unknown>} */
  retryAll(names) {
    return names.length === 1 ? this.client.act(names[0], "retry") : this.bulkByNames("retry", names, {});
  }

  /** @param {string[]} names */
  async restore(names) {
    for (const name of names) await this.client.act(name, "restore");
  }

  /**
   * Move waiting jobs; several keep their order.
   * @param {string[]} names
   * @param {import("./queue_view.js").Place} place
   */
  move(names, place) {
    return this.attempt(async () => {
      for (const name of names) {
        if (place.before === null) await this.client.setPriority(name, place.priority);
        await this.client.moveBefore(name, place.before);
      }
      this.voice.toast({ text: STRINGS.done.moved(whatOf(names)), life: SHORT_MS });
    });
  }

  /**
   * @param {string[]} names
   * @param {Record<string, unknown>} inputs
   */
  copy(names, inputs) {
    return this.attempt(async () => {
      for (const name of names) await this.client.act(name, "copy", { inputs });
      this.voice.toast({ text: STRINGS.done.copy(whatOf(names)) });
    });
  }

  /** @param {string} name */
  repin(name) {
    return this.attempt(async () => {
      await this.client.act(name, "repin");
      this.voice.toast({ text: STRINGS.done.repin(whatOf([name])) });
    });
  }

  /**
   * @param {string} name
   * @param {(graph: object, title: string) => Promise<void>} open puts a graph on the canvas
   */
  openGraph(name, open) {
    return this.attempt(async () => {
      await open(await this.client.graph(name), name.replace(/\.yaml$/, ""));
      this.voice.toast({ text: STRINGS.done["open-graph"](whatOf([name])), life: SHORT_MS });
    });
  }

  /** @param {"pause" | "resume"} verb */
  setQueue(verb) {
    return this.attempt(async () => {
      await this.client.setQueue(verb);
      this.voice.toast({ text: STRINGS.done[verb], life: SHORT_MS });
    });
  }

  /**
   * Retry everything that failed in this way; where the statistics name no jobs, the failed ones are read through.
   * @param {import("./types.js").Cause} cause
   */
  async retryCause(cause) {
    const isListed = cause.names && cause.names.length >= cause.count;
    const names = isListed
      ? /** @type {string[]} */ (cause.names)
      : await this.namesOfCause(cause).catch(() => cause.names ?? []);
    await this.run("retry", { names, filter: null, count: names.length });
  }

  /**
   * @param {import("./types.js").Cause} cause
   * @returns {Promise<string[]>}
   */
  async namesOfCause(cause) {
    /** @type {string[]} */
    const names = [];
    /** @type {string | null} */
    let cursor = null;
    do {
      const query = new URLSearchParams({ status: "failed", workflow_id: cause.workflow_id, limit: "1000" });
      if (cursor) query.set("cursor", cursor);
      const page = await this.client.jobs(query.toString());
      const isSame = (/** @type {import("./types.js").JobRow} */ job) =>
        job.error_type === cause.error_type && (job.error_summary ?? "") === (cause.summary ?? "");
      names.push(...page.jobs.filter(isSame).map((job) => job.config_name));
      cursor = page.next;
    } while (cursor);
    return names;
  }
}

/**
 * @param {string[]} names
 * @returns {string} "knight", "12 jobs"
 */
const whatOf = (names) => (names.length === 1 ? nameParts(names[0]).title : STRINGS.jobs(names.length));

/**
 * @param {{config_name: string, error?: any}} result
 * @returns {string}
 */
const reasonOf = ({ config_name: name, error }) => String(error?.message ?? error ?? name);
