// @ts-check
/** Another language than English: words that a pack's locales/<language>/main.json holds under "e3". */

import { STRINGS, number } from "./strings.js";

/**
 * Lay words over the English ones; what they leave out stays English.
 * @param {Record<string, any>} english is changed; sentences that take values are functions in it
 * @param {unknown} words of the same shape; such a sentence is a text with {0}, {1}, and may be "one | many"
 */
export function translate(english, words) {
  for (const [key, word] of Object.entries(words ?? {})) {
    const own = Object.hasOwn(english, key) ? english[key] : undefined;
    if (typeof own === "object" && typeof word === "object") translate(own, word);
    else if (typeof word !== "string") continue;
    else if (typeof own === "string") english[key] = word;
    else if (typeof own === "function")
      english[key] = (/** @type {any[]} */ ...values) => fill(word, values);
  }
}

/**
 * @param {string} text
 * @param {any[]} values
 * @returns {string}
 */
function fill(text, values) {
  const [one, many = one] = text.split(" | ");
  const chosen = values[0] === 1 ? one : many;
  const shown = values.map((value) => (typeof value === "number" ? number(value) : String(value)));
  return chosen.replace(/\{(\d)\}/g, (_, at) => shown[at] ?? "");
}

/**
 * Let the panel speak a language; English where there is no other.
 * @param {string} locale such as "de" or "zh-TW"
 * @param {() => Promise<Response>} fetchWords asks ComfyUI for the words of all packs
 */
export async function speak(locale, fetchWords) {
  const [language] = locale.split("-");
  if (language === "en") return;
  const words = await fetchWords()
    .then((answer) => answer.json())
    .catch(() => ({}));
  translate(STRINGS, (words?.[locale] ?? words?.[language])?.e3);
}
