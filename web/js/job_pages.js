// @ts-check
/** A list of jobs that is fetched page by page as somebody looks at it, and refreshed only there. */

/** @typedef {import("./types.js").JobRow} JobRow */
/** @typedef {{jobs: JobRow[], next: string | null, totals: Record<string, number>}} Answer */
/** @typedef {{cursor: string | null, jobs: JobRow[], isStale: boolean, isFetched: boolean, mark: string}} Page */

/** More than this many requests for one look means that the list changes faster than it is read. */
const PATIENCE = 8;

/**
 * @param {string | null} cursor
 * @returns {Page}
 */
const newPage = (cursor) => ({ cursor, jobs: [], isStale: true, isFetched: false, mark: "" });

export class JobPages {
  /** @param {(cursor: string | null) => Promise<Answer>} fetchPage */
  constructor(fetchPage) {
    this.fetchPage = fetchPage;
    /** @type {Page[]} */
    this.pages = [newPage(null)];
    /** @type {JobRow[]} */
    this.rows = [];
    /** @type {Record<string, number>} */
    this.totals = {};
    this.isLoaded = false;
    /** @type {Promise<boolean> | null} */
    this.loading = null;
  }

  /** Whether the last row is the last job. */
  get isComplete() {
    return this.pages[this.pages.length - 1].isFetched;
  }

  /** Let the next look fetch again what it shows. */
  markStale() {
    for (const page of this.pages) page.isStale = true;
  }

  /**
   * Fetch what is missing or stale between two rows.
   * @param {number} first
   * @param {number} last
   * @returns {Promise<boolean>} whether anything changed
   */
  async look(first, last) {
    while (this.loading) await this.loading.catch(() => false);
    this.loading = this.load(first, last).finally(() => (this.loading = null));
    return this.loading;
  }

  /**
   * @param {number} first
   * @param {number} last
   * @returns {Promise<boolean>}
   */
  async load(first, last) {
    let hasChanged = false;
    for (let n = 0; n < PATIENCE; n += 1) {
      const at = this.staleBetween(first, last);
      if (at < 0) break;
      hasChanged = this.put(at, await this.fetchAt(at)) || hasChanged;
    }
    return hasChanged;
  }

  /**
   * What is marked stale while the answer is on its way stays so: the answer may be older than the news.
   * @param {number} at
   * @returns {Promise<Answer>}
   */
  async fetchAt(at) {
    const page = this.pages[at];
    page.isStale = false;
    try {
      return await this.fetchPage(page.cursor);
    } catch (error) {
      page.isStale = true;
      throw error;
    }
  }

  /**
   * @param {number} first
   * @param {number} last
   * @returns {number} the first page that shows such a row and has to be fetched, or -1
   */
  staleBetween(first, last) {
    let start = 0;
    for (const [at, page] of this.pages.entries()) {
      const end = start + page.jobs.length;
      const isSeen = start <= last && (end > first || at === this.pages.length - 1);
      if (isSeen && page.isStale) return at;
      start = end;
    }
    return -1;
  }

  /**
   * @param {number} at
   * @param {Answer} answer
   * @returns {boolean}
   */
  put(at, answer) {
    const page = this.pages[at];
    const mark = JSON.stringify(answer);
    page.isFetched = true;
    if (page.mark === mark && this.isLoaded) return false;
    Object.assign(page, { jobs: answer.jobs, mark });
    this.totals = answer.totals;
    this.isLoaded = true;
    this.follow(at, answer.next);
    this.dropTwins(at);
    this.rows = this.pages.flatMap((each) => each.jobs);
    return true;
  }

  /**
   * A page that ends elsewhere than before makes the next one start there.
   * @param {number} at
   * @param {string | null} next
   */
  follow(at, next) {
    const after = this.pages[at + 1];
    if (next === null) this.pages.length = at + 1;
    else if (!after) this.pages.push(newPage(next));
    else if (after.cursor !== next) Object.assign(after, { cursor: next, isStale: true });
  }

  /**
   * A job that moved stands in the page that was fetched last, and in no other.
   * @param {number} at
   */
  dropTwins(at) {
    const names = new Set(this.pages[at].jobs.map((job) => job.config_name));
    for (const [other, page] of this.pages.entries()) {
      if (other === at || !page.jobs.some((job) => names.has(job.config_name))) continue;
      page.jobs = page.jobs.filter((job) => !names.has(job.config_name));
      page.mark = "";
    }
  }

  /**
   * Show a change before the server has confirmed it; the next look fetches the truth.
   * @param {JobRow[]} rows
   */
  pretend(rows) {
    let start = 0;
    for (const page of this.pages) {
      const { length } = page.jobs;
      const isLast = page === this.pages[this.pages.length - 1];
      Object.assign(page, {
        jobs: rows.slice(start, isLast ? undefined : start + length),
        mark: "",
        isStale: true,
      });
      start += length;
    }
    this.rows = rows;
  }
}
