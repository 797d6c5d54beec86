// @ts-check
/** Numbers and names as people read them. Pure. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How long something took, with two units at most.
 * @param {number | null | undefined} ms
 * @returns {string} "0.8 s", "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"
 */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  const span = Math.max(0, ms);
  if (span < 9950) return `${(span / SECOND).toFixed(1)} s`;
  const seconds = Math.round(span / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(span / MINUTE);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(span / HOUR);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/**
 * @param {number} big
 * @param {string} bigUnit
 * @param {number} small
 * @param {string} smallUnit
 * @returns {string}
 */
function pair(big, bigUnit, small, smallUnit) {
  return small ? `${big} ${bigUnit} ${small} ${smallUnit}` : `${big} ${bigUnit}`;
}

/**
 * A span in one unit, for places where it is an estimate or an age.
 * @param {number} ms
 * @returns {string} "now", "45 s", "12 min", "3 h", "2 d"
 */
export function roughly(ms) {
  if (ms < 5 * SECOND) return "now";
  if (ms < MINUTE - 2.5 * SECOND) return `${Math.round(ms / (5 * SECOND)) * 5} s`;
  if (ms < HOUR - 30 * SECOND) return `${Math.max(1, Math.round(ms / MINUTE))} min`;
  if (ms < DAY - HOUR / 2)
    return `${Math.round((ms / HOUR) * 2) / 2 < 3 ? halves(ms) : Math.round(ms / HOUR)} h`;
  return `${Math.round(ms / DAY)} d`;
}

/**
 * @param {number} ms
 * @returns {string} "1", "1.5", "2"
 */
const halves = (ms) => String(Math.round((ms / HOUR) * 2) / 2);

/**
 * @param {number} at
 * @param {number} now
 * @returns {string} "now", "12 min ago"
 */
export function ago(at, now) {
  const text = roughly(now - at);
  return text === "now" ? text : `${text} ago`;
}

/**
 * The time of day, with the weekday when it is not today.
 * @param {number} at
 * @param {number} now
 * @param {string} [locale]
 * @returns {string}
 */
export function clock(at, now, locale) {
  const date = new Date(at);
  const time = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.toLocaleDateString(locale, { weekday: "short" })} ${time}`;
}

/**
 * A moment to the second; the day only when it is another one.
 * @param {number | null | undefined} at
 * @param {number} now
 * @param {string} [locale]
 * @returns {string}
 */
export function moment(at, now, locale) {
  if (!at) return "–";
  const date = new Date(at);
  const time = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.toLocaleDateString(locale, { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

/**
 * @param {number | null | undefined} n
 * @returns {string} "512 B", "1.4 MB"
 */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  if (n < 1000) return `${n} B`;
  const power = Math.min(4, Math.floor(Math.log10(n) / 3));
  const value = n / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["", "kB", "MB", "GB", "TB"][power]}`;
}

/** @typedef {{title: string, type: string, number: string}} NameParts */

/**
 * Take a job file's name apart; a name of another shape is its own title.
 * @param {string} configName
 * @returns {NameParts}
 */
export function nameParts(configName) {
  const stem = configName.replace(/\.ya?ml$/i, "");
  const match = /^([A-Z0-9]{1,16})_\d{14}_(\d{1,9})_(.+)$/u.exec(stem);
  return match
    ? { title: match[3], type: match[1], number: match[2] }
    : { title: stem, type: "", number: "" };
}

/**
 * @param {unknown} value
 * @param {number} [limit]
 * @returns {string} a value in one line, cut in the middle of nowhere with an ellipsis
 */
export function shortValue(value, limit = 40) {
  const text = (typeof value === "string" ? value : (JSON.stringify(value) ?? ""))
    .replace(/\s+/gu, " ")
    .trim();
  const letters = [...text];
  return letters.length > limit
    ? `${letters
        .slice(0, limit - 1)
        .join("")
        .trimEnd()}…`
    : text;
}

/**
 * @param {unknown} value
 * @returns {string} a value as it would be typed
 */
export function plainValue(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value) ?? "";
  return line.length > 60 ? JSON.stringify(value, null, 1) : line;
}
