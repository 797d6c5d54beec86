// @ts-check
/** The form for "copy with changes": which fields, and what was changed. */

import { askForm } from "./dialogs.js";
import { plainValue } from "./format.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./dialogs.js").Field} Field */
/** @typedef {import("./dialogs.js").Answers} Answers */
/** @typedef {Record<string, unknown>} Inputs */

/**
 * One field for each input that any of the jobs has.
 * @param {Inputs[]} all
 * @returns {Field[]}
 */
export function copyFields(all) {
  const keys = [...new Set(all.flatMap((inputs) => Object.keys(inputs)))];
  return keys.map((key) =>
    fieldOf(
      key,
      all.map((inputs) => inputs[key]),
    ),
  );
}

/**
 * @param {string} key
 * @param {unknown[]} values
 * @returns {Field}
 */
function fieldOf(key, values) {
  const isCommon = values.every((value) => JSON.stringify(value) === JSON.stringify(values[0]));
  const value = isCommon ? plainValue(values[0]) : "";
  const isNumber = values.every((each) => typeof each === "number");
  const kind = isNumber ? "number" : value.length > 32 || /prompt|text/i.test(key) ? "textarea" : "text";
  return {
    name: key,
    label: key,
    kind,
    value,
    step: isNumber ? "any" : undefined,
    placeholder: isCommon ? "" : STRINGS.various,
  };
}

/**
 * @param {Field[]} fields
 * @param {Inputs[]} all
 * @param {Answers} answers
 * @returns {{inputs: Inputs, wrong: string | null}} only what was changed, in the type it had
 */
export function changedInputs(fields, all, answers) {
  /** @type {Inputs} */
  const inputs = {};
  for (const { name, value } of fields) {
    const text = String(answers[name]);
    if (text === value) continue;
    const before = all.map((each) => each[name]).find((each) => each !== undefined && each !== null);
    const parsed = typeof before === "string" ? text : parse(text);
    if (parsed === undefined || (typeof before === "number" && typeof parsed !== "number")) {
      return { inputs: {}, wrong: STRINGS.badValue(name) };
    }
    inputs[name] = parsed;
  }
  return { inputs, wrong: null };
}

/**
 * @param {string} text
 * @returns {unknown} undefined when it is no JSON
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {HTMLElement} home
 * @param {Inputs[]} all
 * @returns {Promise<Inputs | null>} what was changed; null when the person thought better of it
 */
export async function askCopy(home, all) {
  const fields = copyFields(all);
  const n = all.length;
  const title = n > 1 ? STRINGS.copyTitleMany(n) : STRINGS.copyTitle;
  const question = {
    title,
    text: STRINGS.copyHelp,
    ok: n > 1 ? STRINGS.copyDoMany(n) : STRINGS.copyDo,
    fields,
  };
  const answers = await askForm(home, question, (given) => changedInputs(fields, all, given).wrong);
  return answers && changedInputs(fields, all, answers).inputs;
}
