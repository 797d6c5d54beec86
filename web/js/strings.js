// @ts-check
/** Every English sentence of the panel; `translation.js` lays those of another language over them. */

const NUMBER = new Intl.NumberFormat("en");

/**
 * @param {number} n
 * @returns {string} 12,345
 */
export const number = (n) => NUMBER.format(n);

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 * @returns {string} "1 job", "1,200 jobs"
 */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export const EXAMPLE_NAME = "T2I_20260301120000_1_hello.yaml";

/** Runs as it is, without any model. */
export const EXAMPLE_JOB = `job_type: T2I
workflow_id: wf_hello_image
priority: 20
inputs:
  width: 640
  height: 360
outputs:
  file_path: jobs/finished/image/hello.png
`;

export const STRINGS = {
  title: "E3 Queue",
  panel: "E3 batch queue",
  tooltip: "E3: batch queue",
  tabs: { queue: "Queue", processing: "Processing", done: "Done", failed: "Failed", rejected: "Rejected" },
  status: {
    pending: "Waiting",
    processing: "Running",
    done: "Done",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  phase: {
    leased: "Preparing",
    submitted: "Next in ComfyUI",
    executing: "Running",
    publishing: "Saving the result",
  },
  /** @type {Record<string, string>} */
  errorType: {
    invalid: "Refused",
    oom: "Out of memory",
    timeout: "Time limit",
    error: "Error",
    interrupted: "Stopped in ComfyUI",
    no_outputs: "No output",
    output_exists: "File exists",
    fs_unsupported: "File system",
    crash: "ComfyUI died",
  },
  /** @type {Record<string, string>} */
  outcome: {
    done: "Done",
    failed: "Failed",
    returned: "Put back",
    cancelled: "Cancelled",
    lost: "Lost",
    crashed: "ComfyUI died",
  },
  media: { image: "Image", video: "Video", audio: "Audio", speech: "Speech", "3d": "3D" },
  running: "Running",
  idle: "Ready",
  paused: "Paused",
  autoPaused: "Paused itself",
  offline: "No answer from ComfyUI",
  /** @param {string} reason a code, or a code and a sentence */
  pausedBecause: (reason) =>
    `The queue paused itself: ${reason === "disk_full" ? "the disk is full" : reason.replace(/^[a-z]+(_[a-z]+)*: /, "")}`,
  pause: "Pause",
  resume: "Resume",
  pauseHint: "Pause: the running job ends, no other starts",
  resumeHint: "Resume the queue",
  menu: "More",
  addFiles: "Add job files…",
  notify: "Notify me when the batch ends",
  notifyDenied: "The browser does not allow notifications for this site.",
  notifyOn: "You will be notified when the batch ends, a job fails or the queue pauses itself.",
  fullPage: "Open as a full page",
  refresh: "Refresh",
  shortcuts: "Keyboard shortcuts",
  search: "Search names and workflows",
  clearSearch: "Clear the search",
  filter: "Filter and sort",
  clearFilters: "Clear filters",
  anyMedia: "All media",
  anyWorkflow: "All workflows",
  filterMedia: "Media",
  filterWorkflow: "Workflow",
  sortBy: "Sort",
  /** @type {Record<string, string>} */
  sorts: {
    order: "Queue order",
    created: "Oldest first",
    "-created": "Newest first",
    "-ended": "Last ended first",
    ended: "First ended first",
    "-duration": "Longest run first",
    duration: "Shortest run first",
    name: "Name",
  },
  priority: "Priority",
  /** @param {number} n */
  editPriority: (n) => `Priority ${n}, change`,
  priorityHint: "1 runs first, 999 last",
  priorityRange: "The priority must be a whole number from 1 to 999.",
  godMode: "God mode: run next",
  cancel: "Cancel",
  stop: "Stop this job",
  stopping: "Stopping…",
  retry: "Retry",
  copy: "Copy with changes…",
  copyPlain: "Copy",
  delete: "Delete",
  details: "Details",
  repin: "Use today's workflow",
  openGraph: "Open in the canvas",
  moveTop: "Move to the top",
  moveUp: "Move up",
  moveDown: "Move down",
  moveEnd: "Move to the end",
  select: "Select",
  /** @param {string} name */
  selectJob: (name) => `Select ${name}`,
  selectAll: "Select all that match",
  clearSelection: "Clear the selection",
  /** @param {number} n */
  selected: (n) => `${number(n)} selected`,
  selectedWord: "selected",
  chosenJobs: "Selected jobs",
  jobVerbs: "What can be done with this job",
  setPriority: "Set priority…",
  undo: "Undo",
  dismiss: "Dismiss",
  close: "Close",
  ok: "OK",
  back: "Back to the list",
  /** @param {number} n */
  jobs: (n) => plural(n, "job"),
  /** @param {number} n */
  files: (n) => plural(n, "file"),
  /** @param {string} name */
  jobOf: (name) => `Job ${name}`,
  waited: "Waited",
  /** @param {string} span */
  waiting: (span) => `${span} ago`,
  /** @param {string} span */
  startsIn: (span) => `in ${span}`,
  startsNext: "next",
  /** @param {string} span */
  againIn: (span) => `again in ${span}`,
  /** @param {string} span */
  took: (span) => `took ${span}`,
  /** @param {string} span */
  left: (span) => `${span} left`,
  elapsed: "Elapsed",
  timeLeft: "Left",
  step: "Step",
  /** @param {number} done @param {number} all */
  nodes: (done, all) => `node ${done} of ${all}`,
  /** @param {number} value @param {number} max */
  steps: (value, max) => `step ${number(value)} of ${number(max)}`,
  starting: "Starting",
  /** @param {string} left @param {string} at */
  queueEta: (left, at) => `${left} left, done ${at}`,
  /** @param {number} run @param {number} all */
  tries: (run, all) => `try ${run} of ${all}`,
  warning: "Warning",
  warnings: "Warnings",
  changed: "What differs",
  output: "Result",
  outputs: "Results",
  error: "What went wrong",
  trace: "Trace",
  copyTrace: "Copy trace",
  copied: "Copied",
  copyExample: "Copy example",
  copyPath: "Copy path",
  inputs: "Inputs",
  attempts: "Attempts",
  attempt: "Try",
  outcomeHead: "Outcome",
  started: "Started",
  ended: "Ended",
  duration: "Took",
  times: "Timings",
  created: "Queued",
  metadata: "Metadata",
  file: "File",
  workflow: "Workflow",
  type: "Type",
  retries: "Retries",
  download: "Download",
  openFull: "Open in a new tab",
  loading: "Loading…",
  gone: "This job is no longer there.",
  causes: "Why jobs failed",
  /** @param {number} n */
  retryCause: (n) => `Retry ${number(n)}`,
  /** @param {string} cause */
  retryCauseOf: (cause) => `Retry all that failed with: ${cause}`,
  rejectedHelp: "These files stay where they are and are judged again as soon as they change.",
  /** @param {number} line @param {number | null} column */
  line: (line, column) => (column ? `line ${line}, column ${column}` : `line ${line}`),
  more: (/** @type {number} */ n) => `${number(n)} more`,
  showFix: "What to do",
  dropHere: "Drop job files to queue them",
  dropKinds: "YAML files, or folders of them",
  pasted: "The pasted text",
  /** @param {number} n */
  submitting: (n) => `Submitting ${plural(n, "job file")}…`,
  /** @param {number} n */
  submitted: (n) => `${plural(n, "job")} queued`,
  /** @param {number} n */
  notSubmitted: (n) => `${plural(n, "file was", "files were")} refused`,
  noYaml: "Those are not job files: E3 takes files that end in .yaml or .yml.",
  /** @param {string} name */
  tooLarge: (name) => `${name} is larger than 256 KiB`,
  show: "Show",
  /** @type {Record<string, {title: string, text: string}>} */
  empty: {
    queue: {
      title: "The queue is empty",
      text: "Drop or paste a job here, or save it as a file in jobs/processing/<media>/. E3 makes exactly the file it asks for.",
    },
    processing: { title: "Nothing runs", text: "A waiting job starts by itself when its turn comes." },
    done: { title: "No results yet", text: "Finished jobs appear here with their files." },
    failed: {
      title: "Nothing failed",
      text: "Jobs that failed or were cancelled appear here, with the reason.",
    },
    rejected: {
      title: "Nothing rejected",
      text: "A job file that E3 cannot read appears here, with the line and the reason.",
    },
  },
  noMatch: "No job matches",
  noMatchText: "Try another word, or clear the filters.",
  exampleLabel: "An example to start from",
  confirm: {
    /** @param {string} verb @param {number} n */
    title: (verb, n) => `${verb} ${plural(n, "job")}?`,
    delete: "The job files move to jobs/removed and can be restored for 7 days. Results stay.",
    cancel: "Cancelled jobs stay in the list and can be retried.",
    retry: "They return to the queue.",
    "god-mode": "They run before everything else, in this order.",
  },
  copyTitle: "Copy with changes",
  /** @param {number} n */
  copyTitleMany: (n) => `Copy ${plural(n, "job")} with changes`,
  copyHelp: "A new job is queued with these inputs. What you leave as it is stays as it is.",
  various: "various, kept as they are",
  copyDo: "Queue the copy",
  /** @param {number} n */
  copyDoMany: (n) => `Queue ${plural(n, "copy", "copies")}`,
  /** @param {string} key */
  badValue: (key) => `${key} is not valid here: write JSON, like 3, true or ["a", "b"].`,
  tokenTitle: "E3 asks for its token",
  tokenHelp: "This server has api_token set in global_config.yaml.",
  tokenLabel: "API token",
  tokenRemember: "Remember on this computer",
  tokenDo: "Continue",
  done: {
    /** @param {string} what */
    delete: (what) => `Deleted ${what}`,
    /** @param {string} what */
    cancel: (what) => `Cancelled ${what}`,
    /** @param {string} what */
    retry: (what) => `${what} back in the queue`,
    /** @param {string} what */
    "god-mode": (what) => `${what} runs next`,
    /** @param {string} what */
    copy: (what) => `Queued a copy of ${what}`,
    /** @param {string} what */
    repin: (what) => `${what} uses today's workflow`,
    /** @param {string} what */
    "open-graph": (what) => `Opened ${what} in a tab of its own`,
    /** @param {string} what @param {number} n */
    set_priority: (what, n) => `${what}: priority ${n}`,
    /** @param {string} what */
    moved: (what) => `Moved ${what}`,
    undone: "Undone",
    pause: "Queue paused",
    resume: "Queue resumed",
  },
  /** @param {number} n @param {string} why */
  someRefused: (n, why) => `${number(n)} could not be changed: ${why}`,
  /** @param {number} n @param {string} tab */
  announceCount: (n, tab) => `${tab}: ${plural(n, "job")}`,
  notices: {
    /** @param {number} done @param {number} failed */
    finished: (done, failed) => `${plural(done, "job")} done` + (failed ? `, ${number(failed)} failed` : ""),
    finishedTitle: "E3: the batch is finished",
    failedTitle: "E3: a job failed",
    pausedTitle: "E3: the queue paused itself",
  },
  keys: [
    ["↑ ↓", "Go through the jobs"],
    ["Enter", "Open the details"],
    ["Space", "Select"],
    ["Shift ↑ ↓", "Select more"],
    ["Ctrl A", "Select all that match"],
    ["Alt ↑ ↓", "Move a waiting job"],
    ["Alt Home", "God mode: run next"],
    ["Alt End", "Move to the end"],
    ["P", "Edit the priority"],
    ["R", "Retry"],
    ["Delete", "Cancel a running job, delete another"],
    ["Ctrl V", "Queue the job files or the job that was copied"],
    ["Ctrl Z", "Undo"],
    ["/", "Search"],
    ["Esc", "Back, or clear the selection"],
  ],
  /** The palette's and the settings' texts stand in locales/en/ as well, from where ComfyUI takes translations. */
  /** @type {Record<string, string>} */
  commands: {
    "E3.Open": "E3: show the queue",
    "E3.TogglePause": "E3: pause or resume the queue",
    "E3.Submit": "E3: queue job files…",
    "E3.OpenPage": "E3: open the queue as a page",
  },
  /** @type {Record<string, {name: string, tooltip: string}>} */
  settings: {
    "E3.Notify": {
      name: "Notify me when the batch ends",
      tooltip: "Also when a job fails or the queue pauses itself. The browser asks whether it may.",
    },
    "E3.UndoSeconds": {
      name: "Seconds to undo",
      tooltip: "How long the queue offers Undo after a change.",
    },
  },
  networkError: "ComfyUI does not answer.",
};
