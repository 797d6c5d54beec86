// @ts-check
/** The sections of a job's details. */

import { copyText, h, wish } from "./dom.js";
import { bytes, duration, moment, plainValue } from "./format.js";
import { icon } from "./icons.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").JobDetails} JobDetails */
/** @typedef {import("./types.js").Output} Output */
/** @typedef {import("./client.js").Client} Client */

/**
 * @param {string} title
 * @param {boolean} isOpen
 * @param {...(Node | null)} children
 * @returns {HTMLElement}
 */
function section(title, isOpen, ...children) {
  return h(
    "details",
    { class: "e3-section", open: isOpen },
    h("summary", {}, icon("next"), h("span", { textContent: title })),
    ...children,
  );
}

/**
 * @param {[string, string][]} pairs
 * @returns {HTMLElement}
 */
function table(pairs) {
  const rows = pairs.map(([key, value]) =>
    h("tr", {}, h("th", { scope: "row", textContent: key }), h("td", { textContent: value })),
  );
  return h("table", { class: "e3-table" }, h("tbody", {}, ...rows));
}

/**
 * @param {Client} client
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function outputsPart(client, job) {
  if (!job.outputs?.length) return null;
  return h(
    "div",
    { class: "e3-outputs", role: "group", "aria-label": STRINGS.outputs },
    ...job.outputs.map((output) => outputFigure(client, job.config_name, output)),
  );
}

/**
 * @param {Client} client
 * @param {string} name
 * @param {Output} output
 * @returns {HTMLElement}
 */
function outputFigure(client, name, output) {
  const full = () => client.outputUrl(name, output.index);
  const open = h(
    "a",
    {
      class: "e3-icon-button",
      target: "_blank",
      rel: "noopener",
      title: STRINGS.openFull,
      "aria-label": `${STRINGS.openFull}: ${output.name}`,
    },
    icon("external"),
  );
  const save = h(
    "a",
    {
      class: "e3-icon-button",
      download: output.name,
      title: STRINGS.download,
      "aria-label": `${STRINGS.download}: ${output.name}`,
    },
    icon("download"),
  );
  const isMedia = /^(image|video|audio)\//.test(output.media_type);
  full().then(
    (url) => [open, save].forEach((link) => (link.href = url)),
    () => {},
  );
  return h(
    "figure",
    { class: "e3-output" },
    isMedia ? preview(full, output) : null,
    h(
      "figcaption",
      {},
      h("span", { class: "e3-output-name", title: output.path, textContent: output.name }),
      h("span", { class: "e3-output-size", textContent: bytes(output.bytes) }),
      isMedia ? open : null,
      save,
    ),
  );
}

/**
 * @param {() => Promise<string>} full
 * @param {Output} output
 * @returns {HTMLElement}
 */
function preview(full, output) {
  const kind = output.media_type.split("/")[0];
  const media =
    kind === "image"
      ? h("img", { class: "e3-preview", alt: output.name, decoding: "async" })
      : h(kind === "video" ? "video" : "audio", {
          class: "e3-preview",
          controls: true,
          preload: "metadata",
          "aria-label": output.name,
        });
  full().then(
    (url) => (media.src = url),
    () => media.remove(),
  );
  media.addEventListener("error", () => (media.hidden = true));
  return media;
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function errorPart(job) {
  const trace = job.error_trace ?? job.error_summary;
  if (!trace) return null;
  const [first, ...rest] = trace.trim().split("\n");
  const kind = job.error_type ? (STRINGS.errorType[job.error_type] ?? job.error_type) : STRINGS.error;
  const copy = h(
    "button",
    {
      type: "button",
      class: "e3-button",
      onclick: async () => (await copyText(trace, box)) && wish(copy, "say", { text: STRINGS.copied }),
    },
    icon("copy"),
    h("span", { textContent: STRINGS.copyTrace }),
  );
  const box = h(
    "div",
    { class: "e3-error", role: "group", "aria-label": STRINGS.error },
    h("p", { class: "e3-error-kind", textContent: kind }),
    h("p", { class: "e3-error-text", textContent: first }),
    rest.length
      ? h("pre", {
          class: "e3-trace",
          tabIndex: 0,
          "aria-label": STRINGS.trace,
          textContent: rest.join("\n"),
        })
      : null,
    copy,
  );
  return box;
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function warningsPart(job) {
  if (!job.warnings?.length) return null;
  return h(
    "ul",
    { class: "e3-warnings" },
    ...job.warnings.map((text) => h("li", {}, icon("warn"), h("span", { textContent: text }))),
  );
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function inputsPart(job) {
  const pairs = Object.entries(job.inputs ?? {}).map(
    ([key, value]) => /** @type {[string, string]} */ ([key, plainValue(value)]),
  );
  return pairs.length ? section(STRINGS.inputs, true, table(pairs)) : null;
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function attemptsPart(job) {
  if (!job.attempts?.length) return null;
  const heads = [STRINGS.attempt, STRINGS.outcomeHead, STRINGS.duration].map((text) =>
    h("th", { scope: "col", textContent: text }),
  );
  const rows = job.attempts.map((attempt) => {
    const kind = attempt.error_type ? (STRINGS.errorType[attempt.error_type] ?? attempt.error_type) : "";
    const outcome = attempt.outcome ? (STRINGS.outcome[attempt.outcome] ?? attempt.outcome) : STRINGS.running;
    const took = attempt.ended_at ? duration(attempt.ended_at - attempt.started_at) : "";
    return h(
      "tr",
      { title: attempt.error ?? moment(attempt.started_at, Date.now()) },
      h("td", { textContent: String(attempt.number) }),
      h("td", { textContent: kind || outcome }),
      h("td", { textContent: took }),
    );
  });
  const body = h(
    "table",
    { class: "e3-table e3-table-attempts" },
    h("thead", {}, h("tr", {}, ...heads)),
    h("tbody", {}, ...rows),
  );
  return section(STRINGS.attempts, job.attempts.length > 1, body);
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement}
 */
export function timesPart(job) {
  const waited = job.start_time ? duration(job.start_time - job.created_at) : "–";
  return section(
    STRINGS.times,
    true,
    table([
      [STRINGS.created, moment(job.created_at, Date.now())],
      [STRINGS.waited, waited],
      [STRINGS.started, moment(job.start_time, Date.now())],
      [STRINGS.ended, moment(job.end_time, Date.now())],
      [STRINGS.duration, duration(job.duration)],
    ]),
  );
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement}
 */
export function factsPart(job) {
  return section(
    STRINGS.file,
    true,
    table([
      [STRINGS.file, job.config_name],
      [STRINGS.workflow, job.workflow_id],
      [STRINGS.type, job.job_type],
      [STRINGS.priority, String(job.priority)],
      [STRINGS.retries, `${job.retries_attempted} / ${job.retry_limit}`],
      ...(job.outputs ?? []).map((output) => /** @type {[string, string]} */ ([STRINGS.output, output.path])),
    ]),
  );
}

/**
 * @param {JobDetails} job
 * @returns {HTMLElement | null}
 */
export function metadataPart(job) {
  const pairs = Object.entries(job.metadata ?? {}).map(
    ([key, value]) => /** @type {[string, string]} */ ([key, plainValue(value)]),
  );
  return pairs.length ? section(STRINGS.metadata, false, table(pairs)) : null;
}
