// @ts-check
/** E3's REST, over any transport that can fetch. */

import { STRINGS } from "./strings.js";

/**
 * @typedef {object} Transport
 * @property {(path: string, init?: RequestInit) => Promise<Response>} fetch path starts with /e3/
 * @property {(path: string) => string} url
 * @property {(type: string, listener: (detail: any) => void) => void} on push events of the websocket
 * @property {() => boolean} isLive whether the websocket is open
 */

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {import("./types.js").JobDetails} JobDetails */
/** @typedef {import("./types.js").QueueState} QueueState */
/** @typedef {import("./types.js").Stats} Stats */
/** @typedef {import("./types.js").Health} Health */
/** @typedef {import("./types.js").Rejection} Rejection */
/** @typedef {{results: {config_name: string, ok: boolean, error?: any}[], changed: number}} BulkAnswer */

const TOKEN_KEY = "e3.token";
const JSON_TYPE = "application/json";
const UNAVAILABLE = 503;
const MOST_BLOBS = 200;

/** What E3 answered instead of the resource. */
export class E3Error extends Error {
  /**
   * @param {string} message
   * @param {string} type
   * @param {number} status 0 when nobody answered
   */
  constructor(message, type, status) {
    super(message);
    this.type = type;
    this.status = status;
  }
}

/**
 * @param {Response} response
 * @returns {Promise<E3Error>}
 */
async function errorOf(response) {
  const body = await response.json().catch(() => null);
  const error = body?.error ?? {};
  const message =
    typeof error.message === "string" ? error.message : `${response.status} ${response.statusText}`;
  return new E3Error(message, String(error.type ?? "http"), response.status);
}

export class Client {
  /**
   * @param {Transport} transport
   * @param {() => Promise<{token: string, remember: boolean} | null>} [askToken]
   */
  constructor(transport, askToken = async () => null) {
    this.transport = transport;
    this.askToken = askToken;
    /** @type {Promise<boolean> | null} */
    this.asking = null;
    /** The person closed the question; it is not asked again by itself. */
    this.isDeclined = false;
    /** @type {Map<string, Promise<string>>} */
    this.blobs = new Map();
  }

  /** @returns {string} */
  get token() {
    return sessionStorage.getItem(TOKEN_KEY) ?? localStorage.getItem(TOKEN_KEY) ?? "";
  }

  /**
   * Ask the person for the token, one question however many requests wait for it.
   * @returns {Promise<boolean>}
   */
  authorize() {
    if (this.isDeclined) return Promise.resolve(false);
    this.asking ??= this.askToken()
      .then((answer) => {
        this.isDeclined = !answer?.token;
        if (!answer?.token) return false;
        sessionStorage.setItem(TOKEN_KEY, answer.token);
        if (answer.remember) localStorage.setItem(TOKEN_KEY, answer.token);
        return true;
      })
      .finally(() => (this.asking = null));
    return this.asking;
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @param {number} [fine] a status that is fine besides those of success
   * @returns {Promise<Response>} an answer that is fine; anything else is thrown as an E3Error
   */
  async send(path, init = {}, fine = 0) {
    const token = this.token;
    const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await this.transport.fetch(path, { ...init, headers }).catch(() => {
      throw new E3Error(STRINGS.networkError, "network", 0);
    });
    if (response.status === 401 && (this.token !== token || (await this.authorize())))
      return this.send(path, init, fine);
    if (!response.ok && response.status !== fine) throw await errorOf(response);
    return response;
  }

  /**
   * @param {string} path
   * @returns {Promise<any>}
   */
  async get(path) {
    return (await this.send(path)).json();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async change(method, path, body = {}) {
    const init = { method, headers: { "Content-Type": JSON_TYPE }, body: JSON.stringify(body) };
    const response = await this.send(path, init);
    return response.json().catch(() => ({}));
  }

  /**
   * @param {string} query
   * @returns {Promise<{jobs: JobRow[], next: string | null, totals: Record<string, number>}>}
   */
  jobs(query) {
    return this.get(`/e3/jobs?${query}`);
  }

  /** @param {string} name @returns {Promise<JobDetails>} */
  job(name) {
    return this.get(jobPath(name));
  }

  /** @param {string} name @returns {Promise<object>} what the job runs, in API format */
  graph(name) {
    return this.get(`${jobPath(name)}/graph`);
  }

  /** @returns {Promise<QueueState>} */
  queue() {
    return this.get("/e3/queue");
  }

  /** @returns {Promise<Stats>} */
  stats() {
    return this.get("/e3/stats");
  }

  /**
   * A server that cannot work answers 503 here, with its problems.
   * @returns {Promise<Health>}
   */
  async health() {
    const response = await this.send("/e3/health", {}, UNAVAILABLE);
    const health = await response
      .clone()
      .json()
      .catch(() => null);
    if (!Array.isArray(health?.problems)) throw await errorOf(response);
    return health;
  }

  /** @returns {Promise<Rejection[]>} */
  async rejections() {
    return (await this.get("/e3/rejections")).rejections;
  }

  /** @param {"pause" | "resume"} verb @returns {Promise<any>} */
  setQueue(verb) {
    return this.change("POST", `/e3/queue/${verb}`);
  }

  /** @param {string} name @param {number} priority @returns {Promise<any>} */
  setPriority(name, priority) {
    return this.change("PATCH", jobPath(name), { priority });
  }

  /** @param {string} name @param {string | null} before @returns {Promise<any>} */
  moveBefore(name, before) {
    return this.change("PATCH", jobPath(name), { before });
  }

  /** @param {string} name @param {string} action @param {object} [body] @returns {Promise<any>} */
  act(name, action, body) {
    return this.change("POST", `${jobPath(name)}/${action}`, body);
  }

  /** @param {string} name @returns {Promise<any>} */
  remove(name) {
    return this.change("DELETE", jobPath(name));
  }

  /** @param {object} body @returns {Promise<BulkAnswer>} */
  bulk(body) {
    return this.change("POST", "/e3/jobs/bulk", body);
  }

  /**
   * @param {string} fileName empty: the server finds a name
   * @param {string} text
   * @returns {Promise<JobRow>}
   */
  async submit(fileName, text) {
    const path = fileName ? `/e3/jobs?name=${encodeURIComponent(fileName)}` : "/e3/jobs";
    const init = { method: "POST", headers: { "Content-Type": "application/yaml" }, body: text };
    return (await this.send(path, init)).json();
  }

  /**
   * Where a result can be shown from; with a token the bytes are fetched first, since an image sends no header.
   * @param {string} name
   * @param {number} index
   * @param {number} [thumbnail]
   * @returns {Promise<string>}
   */
  async outputUrl(name, index, thumbnail) {
    const path = `${jobPath(name)}/outputs/${index}${thumbnail ? `?thumbnail=${thumbnail}` : ""}`;
    if (!this.token) return this.transport.url(path);
    const known = this.blobs.get(path) ?? this.fetchBlob(path);
    this.blobs.delete(path);
    this.blobs.set(path, known);
    if (this.blobs.size > MOST_BLOBS) this.forgetOldest();
    return known;
  }

  /** @param {string} path @returns {Promise<string>} */
  async fetchBlob(path) {
    try {
      return URL.createObjectURL(await (await this.send(path)).blob());
    } catch (error) {
      this.blobs.delete(path);
      throw error;
    }
  }

  forgetOldest() {
    const [path, url] = /** @type {[string, Promise<string>]} */ (this.blobs.entries().next().value);
    this.blobs.delete(path);
    url.then((text) => URL.revokeObjectURL(text)).catch(() => {});
  }
}

/**
 * @param {string} name
 * @returns {string}
 */
const jobPath = (name) => `/e3/jobs/${encodeURIComponent(name)}`;
