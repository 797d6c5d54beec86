// @ts-check
import { droppedFiles, pastedFiles, sortedJobFiles, submitAll } from "./drop_files.js";
import { STRINGS } from "./strings.js";

const REFUSALS_SHOWN = 4;

/** Where jobs come in: dropped on the panel, pasted into it, or picked. */
export class FileDoor {
  /**
   * @param {HTMLElement} panel
   * @param {{drop: HTMLElement, picker: HTMLInputElement}} parts
   * @param {import("./client.js").Client} client
   * @param {{toast: (toast: import("./toasts.js").Toast) => () => void}} voice
   * @param {() => void} reload
   */
  constructor(panel, { drop, picker }, client, voice, reload) {
    this.panel = panel;
    this.drop = drop;
    this.picker = picker;
    this.client = client;
    this.voice = voice;
    this.reload = reload;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { panel } = this;
    panel.addEventListener("dragenter", (event) => this.onOver(event), { signal });
    panel.addEventListener("dragover", (event) => this.onOver(event), { signal });
    panel.addEventListener("dragleave", (event) => this.onLeave(event), { signal });
    panel.addEventListener("drop", (event) => this.onDrop(event), { signal });
    panel.addEventListener("paste", (event) => this.onPaste(event), { signal });
    this.picker.addEventListener("change", () => this.onPick(), { signal });
  }

  /** @param {DragEvent} event */
  onOver(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.drop.hidden = false;
  }

  /** @param {DragEvent} event */
  onLeave(event) {
    if (!this.panel.contains(/** @type {Node | null} */ (event.relatedTarget))) this.drop.hidden = true;
  }

  /**
   * ComfyUI opens what is dropped anywhere else; here it is a job.
   * @param {DragEvent} event
   */
  async onDrop(event) {
    event.preventDefault();
    event.stopPropagation();
    this.drop.hidden = true;
    if (event.dataTransfer) await this.submit(await droppedFiles(event.dataTransfer));
  }

  /**
   * Copied files and a job's text are jobs; anything else that is pasted is left to whom it is for.
   * @param {ClipboardEvent} event
   */
  async onPaste(event) {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
    const files = event.clipboardData && !isTyping ? pastedFiles(event.clipboardData) : [];
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    await this.submit(files);
  }

  async onPick() {
    const files = sortedJobFiles(this.picker.files ?? []);
    this.picker.value = "";
    await this.submit(files);
  }

  /** @param {import("./drop_files.js").JobFile[]} files */
  async submit(files) {
    if (!files.length) {
      this.voice.toast({ text: STRINGS.noYaml, tone: "error" });
      return;
    }
    const close =
      files.length > 1
        ? this.voice.toast({ text: STRINGS.submitting(files.length), life: Infinity })
        : () => {};
    const result = await submitAll(this.client, files);
    close();
    this.tell(result);
    this.reload();
  }

  /** @param {import("./drop_files.js").Submitted} result */
  tell({ accepted, refused }) {
    if (accepted.length) this.voice.toast({ text: STRINGS.submitted(accepted.length) });
    if (!refused.length) return;
    const lines = refused
      .slice(0, REFUSALS_SHOWN)
      .map(({ name, reason }) => (reason.includes(name) ? reason : `${name}: ${reason}`));
    if (refused.length > REFUSALS_SHOWN) lines.push(STRINGS.more(refused.length - REFUSALS_SHOWN));
    this.voice.toast({ text: STRINGS.notSubmitted(refused.length), tone: "error", lines });
  }
}
