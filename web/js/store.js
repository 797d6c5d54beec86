// @ts-check
/** What the panel knows of the server: kept fresh by push, by one timer where push is silent. */

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./types.js").QueueState} QueueState */
/** @typedef {import("./types.js").Stats} Stats */
/** @typedef {import("./types.js").Health} Health */
/** @typedef {import("./types.js").Rejection} Rejection */

const POLL_MS = 5_000;
const CALM_MS = 15_000;
/** Push tells what changed; what came and went between two pushes is found by looking. */
const LIVE_MS = 20_000;
const AWAY_MS = 30_000;
const SLOWEST_MS = 60_000;
const BURST_MS = 1_500;
const SIDE_MS = 20_000;
const CALM_AFTER = 6;

/** @typedef {{queue: QueueState | null, stats: Stats | null, health: Health | null, rejections: Rejection[], error: Error | null}} State */

/**
 * @typedef {object} World
 * @property {() => number} now
 * @property {(run: () => void, ms: number) => any} setTimer
 * @property {(timer: any) => void} clearTimer
 * @property {() => boolean} isHidden
 */

/** @type {World} */
const BROWSER = {
  now: () => Date.now(),
  setTimer: (run, ms) => setTimeout(run, ms),
  clearTimer: (timer) => clearTimeout(timer),
  isHidden: () => document.hidden,
};

/** Events: `change` (state differs), `jobs` (the list may differ), `progress` (a step). */
export class Store extends EventTarget {
  /**
   * @param {Client} client
   * @param {World} [world]
   */
  constructor(client, world = BROWSER) {
    super();
    this.client = client;
    this.world = world;
    /** @type {State} */
    this.state = { queue: null, stats: null, health: null, rejections: [], error: null };
    /** Panels that somebody looks at. */
    this.viewers = 0;
    /** Somebody wants to hear of the end of the batch while the page is hidden. */
    this.isWanted = () => false;
    this.failures = 0;
    this.sameAnswers = 0;
    this.hasPush = false;
    this.lastRefresh = 0;
    this.lastSide = 0;
    /** @type {any} */
    this.timer = null;
    /** @type {Promise<void> | null} */
    this.refreshing = null;
    this.isOn = false;
  }

  start() {
    if (this.isOn) return;
    this.isOn = true;
    const { transport } = this.client;
    transport.on("e3.job", () => this.hear());
    transport.on("e3.queue", () => this.hear(true));
    transport.on("e3.progress", (detail) => this.hearProgress(detail));
    transport.on("reconnected", () => this.soon(0, true));
    this.soon(0);
  }

  stop() {
    this.isOn = false;
    this.world.clearTimer(this.timer);
  }

  /** @param {boolean} [withSide] */
  hear(withSide = false) {
    this.hasPush = true;
    const rest = this.lastRefresh + BURST_MS - this.world.now();
    if (withSide) this.lastSide = 0;
    this.soon(Math.max(0, rest));
  }

  /** @param {any} detail */
  hearProgress(detail) {
    this.hasPush = true;
    const job = this.state.queue?.running.find((each) => each.config_name === detail?.config_name);
    if (!job) return this.hear();
    job.progress = detail.progress ?? detail;
    job.start_time ??= this.world.now();
    this.dispatchEvent(new Event("progress"));
  }

  /**
   * Ask again after a while, or at once.
   * @param {number} ms
   * @param {boolean} [withSide] also for health, rejections and statistics
   */
  soon(ms, withSide = false) {
    if (!this.isOn) return;
    if (withSide) this.lastSide = 0;
    this.world.clearTimer(this.timer);
    this.timer = this.world.setTimer(() => this.tick(), ms);
  }

  /** The page is seen again, or hidden. */
  visibilityChanged() {
    if (this.world.isHidden()) this.soon(this.pause());
    else this.soon(0);
  }

  /** An answer that was asked for earlier may not know the news yet; and news on the way keep their own time. */
  async tick() {
    this.timer = null;
    if (this.world.isHidden() && !this.isWanted()) return;
    await this.refreshing;
    await this.refresh();
    if (this.timer === null) this.soon(this.pause());
  }

  /** @returns {number} how long to rest before asking again */
  pause() {
    if (this.failures) return Math.min(SLOWEST_MS, POLL_MS * 2 ** (this.failures - 1));
    if (this.world.isHidden()) return AWAY_MS;
    if (this.hasPush && this.client.transport.isLive()) return LIVE_MS;
    return this.sameAnswers >= CALM_AFTER ? CALM_MS : POLL_MS;
  }

  /**
   * Fetch the state; calls while one is under way share it.
   * @returns {Promise<void>}
   */
  refresh() {
    this.refreshing ??= this.fetchAll().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  async fetchAll() {
    this.lastRefresh = this.world.now();
    try {
      const queue = await this.client.queue();
      const side = await this.fetchSide(queue);
      this.failures = 0;
      this.put({ queue, ...side, error: null });
    } catch (error) {
      this.failures += 1;
      const health = await this.client.health().catch(() => this.state.health);
      this.put({ error: /** @type {Error} */ (error), health });
    }
    if (this.viewers && !this.failures) this.dispatchEvent(new Event("jobs"));
  }

  /**
   * What changes seldom: fetched now and then, and when jobs have ended.
   * @param {QueueState} queue
   * @returns {Promise<Partial<State>>}
   */
  async fetchSide(queue) {
    const ended = (/** @type {QueueState | null} */ state) =>
      state ? state.totals.done + state.totals.failed : -1;
    const age = this.world.now() - this.lastSide;
    const isDue = age >= (ended(queue) === ended(this.state.queue) ? 3 * SIDE_MS : SIDE_MS);
    if (!isDue) return {};
    this.lastSide = this.world.now();
    const [stats, health, rejections] = await Promise.all([
      this.client.stats(),
      this.client.health(),
      this.client.rejections(),
    ]);
    return { stats, health, rejections };
  }

  /** @param {Partial<State>} news */
  put(news) {
    const mark = (/** @type {State} */ { error, ...rest }) => JSON.stringify([rest, error?.message]);
    const next = { ...this.state, ...news };
    const isSame = mark(next) === mark(this.state);
    this.sameAnswers = isSame ? this.sameAnswers + 1 : 0;
    this.state = next;
    if (!isSame) this.dispatchEvent(new Event("change"));
  }
}
