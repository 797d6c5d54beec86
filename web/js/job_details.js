// @ts-check
import {
  attemptsPart,
  errorPart,
  factsPart,
  inputsPart,
  metadataPart,
  outputsPart,
  timesPart,
  warningsPart,
} from "./details_parts.js";
import { h, refill, setAttr, setText, wish, defineOnce } from "./dom.js";
import { nameParts } from "./format.js";
import { icon } from "./icons.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").JobDetails} JobDetails */
/** @typedef {import("./client.js").Client} Client */
/** @typedef {{act: string, icon: string, label: () => string, isDanger?: boolean}} Verb */

/** @type {Record<string, Verb>} */
const VERBS = {
  "god-mode": { act: "god-mode", icon: "bolt", label: () => STRINGS.godMode },
  retry: { act: "retry", icon: "retry", label: () => STRINGS.retry },
  copy: { act: "copy", icon: "copy", label: () => STRINGS.copy },
  repin: { act: "repin", icon: "pin", label: () => STRINGS.repin },
  cancel: { act: "cancel", icon: "ban", label: () => STRINGS.cancel },
  "open-graph": { act: "open-graph", icon: "graph", label: () => STRINGS.openGraph },
  delete: { act: "delete", icon: "trash", label: () => STRINGS.delete, isDanger: true },
};

/** @type {Record<string, string[]>} */
const VERBS_OF = {
  pending: ["god-mode", "copy", "repin", "cancel", "delete"],
  processing: ["copy", "cancel"],
  done: ["copy", "delete"],
  failed: ["retry", "copy", "repin", "delete"],
  cancelled: ["retry", "copy", "repin", "delete"],
};

/**
 * @param {import("./types.js").JobRow} job
 * @param {boolean} hasCanvas whether there is one that takes the job's graph
 * @returns {string[]} what can be done with the job, the first thing first
 */
export function verbsOf({ status }, hasCanvas) {
  const [first, ...others] = VERBS_OF[status];
  return [first, ...(hasCanvas ? ["open-graph"] : []), ...others];
}

/** Everything about one job. */
export class JobDetailsElement extends HTMLElement {
  static define() {
    defineOnce("e3-job-details", JobDetailsElement);
  }

  /** Whether there is a canvas that takes the job's graph. */
  hasCanvas = false;

  connectedCallback() {
    if (this.body) return;
    this.className = "e3-details";
    this.setAttribute("role", "region");
    this.heading = h("h2", { class: "e3-details-title", tabIndex: -1 });
    this.status = h("span", { class: "e3-status" });
    this.verbs = h("div", { class: "e3-details-verbs", role: "group", "aria-label": STRINGS.jobVerbs });
    this.body = h("div", { class: "e3-details-body" });
    const back = h(
      "button",
      {
        type: "button",
        class: "e3-icon-button e3-back",
        title: STRINGS.back,
        "aria-label": STRINGS.back,
        onclick: () => wish(this, "close-details"),
      },
      icon("back"),
    );
    this.append(
      h("div", { class: "e3-details-head" }, back, this.heading, this.status),
      this.verbs,
      this.body,
    );
  }

  /**
   * Show a job; what is known of it already stays in place until the answer comes.
   * @param {Client} client
   * @param {string} name
   * @returns {Promise<void>}
   */
  async load(client, name) {
    if (!this.heading || !this.body || !this.verbs) return;
    if (this.name !== name) this.reset(name);
    try {
      const job = await client.job(name);
      if (this.name === name) this.show(client, job);
    } catch (error) {
      if (this.name !== name) return;
      const isGone = /** @type {any} */ (error).status === 404;
      refill(this.body, String(error), () => [
        h("p", {
          class: "e3-hint",
          textContent: isGone ? STRINGS.gone : /** @type {Error} */ (error).message,
        }),
      ]);
      this.verbs.replaceChildren();
    }
  }

  /** @param {string} name */
  reset(name) {
    this.name = name;
    const { title, number } = nameParts(name);
    setAttr(this, "aria-label", STRINGS.jobOf(title));
    setText(/** @type {Node} */ (this.heading), number && number !== "1" ? `${title} #${number}` : title);
    setAttr(/** @type {Element} */ (this.heading), "title", name);
    setText(/** @type {Node} */ (this.status), "");
    /** @type {Element} */ (this.verbs).replaceChildren();
    refill(/** @type {Element} */ (this.body), name, () => [
      h("p", { class: "e3-hint", textContent: STRINGS.loading }),
    ]);
  }

  /**
   * @param {Client} client
   * @param {JobDetails} job
   */
  show(client, job) {
    const status = /** @type {HTMLElement} */ (this.status);
    setText(status, STRINGS.status[job.status]);
    setAttr(status, "data-status", job.status);
    refill(/** @type {Element} */ (this.verbs), [job.config_name, job.status], () =>
      verbsOf(job, this.hasCanvas).map((verb) => this.button(VERBS[verb], job)),
    );
    const parts = [errorPart, warningsPart, inputsPart, timesPart, attemptsPart, factsPart, metadataPart];
    refill(/** @type {Element} */ (this.body), job, () => [
      outputsPart(client, job),
      ...parts.map((part) => part(job)),
    ]);
  }

  /**
   * @param {Verb} verb
   * @param {JobDetails} job
   * @returns {HTMLElement}
   */
  button(verb, job) {
    const label = verb.act === "cancel" && job.status === "processing" ? STRINGS.stop : verb.label();
    return h(
      "button",
      {
        type: "button",
        class: `e3-button${verb.isDanger ? " e3-danger" : ""}`,
        title: label,
        onclick: () => wish(this, verb.act, { names: [job.config_name], jobs: [job] }),
      },
      icon(verb.icon),
      h("span", { class: "e3-button-label", textContent: label }),
    );
  }

  focusHeading() {
    this.heading?.focus();
  }
}
