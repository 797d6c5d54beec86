// @ts-check
/** What differs between the jobs of one workflow. Pure. */

import { shortValue } from "./format.js";

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {{key: string, text: string, full: string}} Chip */

/**
 * Light up what differs: for each job the inputs in which it is not like the others of its workflow.
 * @param {JobRow[]} jobs
 * @returns {Map<string, Chip[]>} by config_name; a job that is alone in its workflow has none
 */
export function differing(jobs) {
  /** @type {Map<string, Chip[]>} */
  const chips = new Map();
  for (const group of groupBy(jobs, (job) => job.workflow_id).values()) {
    const keys = group.length > 1 ? differingKeys(group) : [];
    const shorten = new Map(keys.map((key) => [key, differingPart(group.map((job) => job.inputs?.[key]))]));
    for (const job of group)
      chips.set(
        job.config_name,
        keys.flatMap((key) => chipOf(job, key, shorten)),
      );
  }
  return chips;
}

/**
 * @param {JobRow} job
 * @param {string} key
 * @param {Map<string, (value: unknown) => string>} shorten
 * @returns {Chip[]}
 */
function chipOf(job, key, shorten) {
  const value = job.inputs?.[key];
  if (value === undefined) return [];
  return [{ key, text: shorten.get(key)?.(value) ?? "", full: `${key}: ${shortValue(value, 400)}` }];
}

/**
 * @param {JobRow[]} group
 * @returns {string[]} telling inputs first; a seed says least, so it comes last
 */
function differingKeys(group) {
  const keys = [...new Set(group.flatMap((job) => Object.keys(job.inputs ?? {})))];
  const differs = (/** @type {string} */ key) =>
    group.some((job) => JSON.stringify(job.inputs?.[key]) !== JSON.stringify(group[0].inputs?.[key]));
  const weight = (/** @type {string} */ key) => (/seed/i.test(key) ? 1 : 0);
  return keys.filter(differs).sort((a, b) => weight(a) - weight(b));
}

/**
 * Cut away the beginning and the end that all texts share, by whole words.
 * @param {unknown[]} values
 * @returns {(value: unknown) => string}
 */
export function differingPart(values) {
  const texts = [...new Set(values.filter((value) => typeof value === "string"))];
  if (texts.length < 2) return (value) => shortValue(value, 28);
  const words = texts.map((text) => /** @type {string} */ (text).split(/\s+/u));
  const shortest = Math.min(...words.map((list) => list.length));
  const same = (/** @type {(list: string[]) => string} */ pick) =>
    words.every((list) => pick(list) === pick(words[0]));
  let start = 0;
  while (start < shortest - 1 && same((list) => list[start])) start += 1;
  let end = 0;
  while (end < shortest - 1 - start && same((list) => list[list.length - 1 - end])) end += 1;
  return (value) => {
    if (typeof value !== "string") return shortValue(value, 28);
    const list = value.split(/\s+/u);
    return (
      (start ? "…" : "") +
      shortValue(
        list
          .slice(start, list.length - end)
          .join(" ")
          .replace(/[,;.]$/u, ""),
        28,
      )
    );
  };
}

/**
 * @template T
 * @param {T[]} list
 * @param {(item: T) => string} keyOf
 * @returns {Map<string, T[]>}
 */
export function groupBy(list, keyOf) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const item of list) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
