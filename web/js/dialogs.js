// @ts-check
/** Questions, as real dialogs. */

import { h } from "./dom.js";
import { STRINGS } from "./strings.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "number" | "textarea" | "checkbox" | "password"} kind
 * @property {string | boolean} value
 * @property {string} [placeholder]
 * @property {number} [min]
 * @property {number} [max]
 * @property {string} [step]
 */

/** @typedef {{title: string, text?: string, fields?: Field[], ok: string, isDanger?: boolean, body?: Node, isNotice?: boolean}} Question */
/** @typedef {Record<string, string | boolean>} Answers */

/**
 * @param {Field} field
 * @returns {HTMLInputElement | HTMLTextAreaElement}
 */
function inputOf(field) {
  const common = { name: field.name, class: "e3-input", placeholder: field.placeholder, autocomplete: "off" };
  if (field.kind === "textarea") return h("textarea", { ...common, rows: 3, value: field.value });
  if (field.kind === "checkbox")
    return h("input", { ...common, class: "e3-check", type: "checkbox", checked: field.value });
  const { min, max, step } = field;
  return h("input", {
    ...common,
    type: field.kind,
    value: field.value,
    min,
    max,
    step,
    required: field.kind === "password",
  });
}

/**
 * @param {HTMLElement} home where the dialog stands in the page
 * @param {Question} question
 * @param {(answers: Answers) => string | null} [check] a sentence on what is wrong, or null
 * @returns {Promise<Answers | null>} null when it was closed
 */
export function askForm(home, question, check = () => null) {
  const fields = question.fields ?? [];
  const inputs = new Map(fields.map((field) => [field, inputOf(field)]));
  const complaint = h("p", { class: "e3-complaint", role: "alert" });
  const rows = fields.map((field) =>
    h(
      "label",
      { class: field.kind === "checkbox" ? "e3-field e3-field-check" : "e3-field" },
      h("span", { textContent: field.label }),
      /** @type {HTMLElement} */ (inputs.get(field)),
    ),
  );
  const cancel = h("button", { type: "button", class: "e3-button", textContent: STRINGS.cancel });
  const ok = h("button", {
    type: "submit",
    class: `e3-button e3-primary${question.isDanger ? " e3-danger" : ""}`,
    textContent: question.ok,
  });
  const title = h("h2", { textContent: question.title });
  const form = h(
    "form",
    { method: "dialog", novalidate: true },
    title,
    question.text ? h("p", { textContent: question.text }) : null,
    question.body,
    h("div", { class: "e3-fields" }, ...rows),
    complaint,
    h("div", { class: "e3-dialog-buttons" }, question.isNotice ? null : cancel, ok),
  );
  const dialog = h("dialog", { class: "e3-dialog", "aria-label": question.title }, form);
  const read = () =>
    Object.fromEntries(
      [...inputs].map(([field, input]) => [
        field.name,
        field.kind === "checkbox" ? /** @type {HTMLInputElement} */ (input).checked : input.value,
      ]),
    );
  return new Promise((resolve) => {
    /** @type {Answers | null} */
    let answers = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const wrong = check(read());
      complaint.textContent = wrong ?? "";
      if (wrong) return;
      answers = read();
      dialog.close();
    });
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answers);
    });
    home.append(dialog);
    dialog.showModal();
    const [first] = inputs.values();
    (first ?? ok).focus();
  });
}

/**
 * @param {HTMLElement} home
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export const confirm = async (home, question) => (await askForm(home, question)) !== null;

/** @param {HTMLElement} home */
export function showShortcuts(home) {
  const rows = STRINGS.keys.map(([keys, text]) =>
    h("tr", {}, h("th", { scope: "row" }, h("kbd", { textContent: keys })), h("td", { textContent: text })),
  );
  const body = h("table", { class: "e3-table e3-keys" }, h("tbody", {}, ...rows));
  return confirm(home, { title: STRINGS.shortcuts, ok: STRINGS.close, body, isNotice: true });
}

/**
 * @param {HTMLElement} home
 * @returns {Promise<{token: string, remember: boolean} | null>}
 */
export async function askToken(home) {
  /** @type {Field[]} */
  const fields = [
    { name: "token", label: STRINGS.tokenLabel, kind: "password", value: "" },
    { name: "remember", label: STRINGS.tokenRemember, kind: "checkbox", value: false },
  ];
  const answers = await askForm(home, {
    title: STRINGS.tokenTitle,
    text: STRINGS.tokenHelp,
    fields,
    ok: STRINGS.tokenDo,
  });
  return answers && { token: String(answers.token).trim(), remember: Boolean(answers.remember) };
}

/**
 * @param {HTMLElement} home
 * @param {number} present
 * @param {number} count how many jobs it is for
 * @returns {Promise<number | null>}
 */
export async function askPriority(home, present, count) {
  /** @type {Field} */
  const field = {
    name: "priority",
    label: STRINGS.priorityHint,
    kind: "number",
    value: String(present),
    min: 1,
    max: 999,
  };
  const title = `${STRINGS.priority}: ${STRINGS.selected(count)}`;
  const isWrong = (/** @type {Answers} */ { priority }) =>
    priorityOf(String(priority)) === null ? STRINGS.priorityRange : null;
  const answers = await askForm(home, { title, fields: [field], ok: STRINGS.ok }, isWrong);
  return answers && priorityOf(String(answers.priority));
}

/**
 * @param {string} text
 * @returns {number | null} 1 to 999
 */
export function priorityOf(text) {
  const n = /^\s*\d{1,3}\s*$/.test(text) ? Number(text) : 0;
  return n >= 1 ? n : null;
}
