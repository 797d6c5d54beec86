// @ts-check
import { copyText, h, refill, wish, defineOnce } from "./dom.js";
import { ago } from "./format.js";
import { icon } from "./icons.js";
import { STRINGS } from "./strings.js";

/** @typedef {import("./types.js").Rejection} Rejection */

/** More is no longer read one by one. */
const MOST = 300;

/** Files that could not become jobs: where, why, and since when. */
export class RejectionsElement extends HTMLElement {
  static define() {
    defineOnce("e3-rejections", RejectionsElement);
  }

  connectedCallback() {
    this.className = "e3-rejections";
  }

  /**
   * @param {Rejection[]} rejections
   * @param {number} now
   */
  update(rejections, now) {
    const minute = Math.floor(now / 60_000);
    refill(this, [rejections, minute], () => [
      h("p", { class: "e3-hint", textContent: STRINGS.rejectedHelp }),
      h(
        "ul",
        { class: "e3-rejection-list" },
        ...rejections.slice(0, MOST).map((each) => this.itemOf(each, now)),
      ),
      rejections.length > MOST
        ? h("p", { class: "e3-hint", textContent: STRINGS.more(rejections.length - MOST) })
        : null,
    ]);
  }

  /**
   * @param {Rejection} rejection
   * @param {number} now
   * @returns {HTMLElement}
   */
  itemOf({ path, reason, line, column, seen_at: seenAt }, now) {
    const slash = path.replaceAll("\\", "/").lastIndexOf("/") + 1;
    const where = line ? STRINGS.line(line, column) : "";
    const copy = async () => (await copyText(path, this)) && wish(this, "say", { text: STRINGS.copied });
    return h(
      "li",
      { class: "e3-rejection" },
      h("p", { class: "e3-rejection-name", title: path, textContent: path.slice(slash) }),
      h("p", { class: "e3-rejection-reason", textContent: reason }),
      h(
        "p",
        { class: "e3-rejection-where" },
        h("span", {
          textContent: [where, path.slice(0, slash), ago(seenAt, now)].filter(Boolean).join(" · "),
        }),
      ),
      h(
        "button",
        {
          type: "button",
          class: "e3-icon-button",
          title: STRINGS.copyPath,
          "aria-label": `${STRINGS.copyPath}: ${path}`,
          onclick: copy,
        },
        icon("copy"),
      ),
    );
  }
}
