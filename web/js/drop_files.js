// @ts-check
/** From dropped and pasted files, folders and texts to jobs. */

import { STRINGS } from "./strings.js";

const LARGEST = 256 * 1024;
const MOST_FILES = 10_000;
/** A line of YAML or JSON that only a job has. */
const JOB_LINE = /^[\s{"']*(job_type|workflow_id)["']?\s*:/m;

/** @typedef {Pick<File, "name" | "size" | "text">} JobFile name: empty lets the server find one */

/** @param {string} name @returns {boolean} */
export const isJobFile = (name) => /\.ya?ml$/i.test(name);

/**
 * All job files of a drop, folders walked, in the order of their names.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry);
  const files = entries.length ? await walk(/** @type {FileSystemEntry[]} */ (entries)) : [...transfer.files];
  return sortedJobFiles(files);
}

/**
 * @param {Iterable<File>} files
 * @returns {File[]}
 */
export function sortedJobFiles(files) {
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  return [...files].filter((file) => isJobFile(file.name)).sort((a, b) => compare(a.name, b.name));
}

/**
 * The job files of a paste, else its text where that is a job's.
 * @param {Pick<DataTransfer, "files" | "getData">} transfer
 * @returns {JobFile[]}
 */
export function pastedFiles(transfer) {
  const files = sortedJobFiles(transfer.files);
  const text = transfer.getData("text/plain");
  if (files.length || !JOB_LINE.test(text)) return files;
  return [{ name: "", size: text.length, text: async () => text }];
}

/**
 * @param {FileSystemEntry[]} entries
 * @returns {Promise<File[]>}
 */
async function walk(entries) {
  /** @type {File[]} */
  const files = [];
  const queue = [...entries];
  for (let entry = queue.shift(); entry && files.length < MOST_FILES; entry = queue.shift()) {
    if (entry.isDirectory) queue.push(...(await listFolder(/** @type {FileSystemDirectoryEntry} */ (entry))));
    else if (isJobFile(entry.name)) files.push(await fileOf(/** @type {FileSystemFileEntry} */ (entry)));
  }
  return files;
}

/**
 * A folder is read in portions until one is empty.
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function listFolder(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** @typedef {{accepted: string[], refused: {name: string, reason: string}[]}} Submitted */

/**
 * Submit one file after the other, so that they queue in this order.
 * @param {{submit: (name: string, text: string) => Promise<{config_name: string}>}} client
 * @param {JobFile[]} files
 * @param {(done: number) => void} [onProgress]
 * @returns {Promise<Submitted>}
 */
export async function submitAll(client, files, onProgress = () => {}) {
  /** @type {Submitted} */
  const result = { accepted: [], refused: [] };
  for (const [done, file] of files.entries()) {
    onProgress(done);
    try {
      if (file.size > LARGEST) throw new Error(STRINGS.tooLarge(file.name || STRINGS.pasted));
      result.accepted.push((await client.submit(file.name, await file.text())).config_name);
    } catch (error) {
      result.refused.push({ name: file.name, reason: /** @type {Error} */ (error).message });
    }
  }
  return result;
}
