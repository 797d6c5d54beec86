// @ts-check
/** Small words for building elements. Text goes in as text, never as markup. */

const PROPERTIES = new Set([
  "textContent",
  "value",
  "checked",
  "disabled",
  "indeterminate",
  "hidden",
  "open",
  "tabIndex",
]);

/**
 * Make an element. A key `onclick` adds a listener, `false` and `null` leave an attribute out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) assign(element, key, value);
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child || child === "")));
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {string} key
 * @param {any} value
 */
function assign(element, key, value) {
  if (typeof value === "function") element.addEventListener(key.slice(2), value);
  else if (PROPERTIES.has(key)) /** @type {any} */ (element)[key] = value;
  else if (value === true) element.setAttribute(key, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, String(value));
}

/**
 * Write text only where it changed, so that an identical refresh touches nothing.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value `false`, `null`: without; `true`: empty
 */
export function setAttr(element, name, value) {
  if (value === false || value === null || value === undefined) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * Rebuild a part of the page only when what it shows has changed.
 * @param {Element & {e3Shown?: string}} element
 * @param {unknown} data anything JSON can tell apart
 * @param {() => (Node | string | null)[]} build
 * @returns {boolean} whether it was rebuilt
 */
export function refill(element, data, build) {
  const mark = JSON.stringify(data) ?? "";
  if (element.e3Shown === mark) return false;
  element.e3Shown = mark;
  element.replaceChildren(.../** @type {(Node | string)[]} */ (build().filter((child) => child !== null)));
  return true;
}

/**
 * Tell a wish to whoever listens above.
 * @param {EventTarget} from
 * @param {string} name without the `e3-` in front
 * @param {any} [detail]
 */
export function wish(from, name, detail = {}) {
  from.dispatchEvent(new CustomEvent(`e3-${name}`, { bubbles: true, detail }));
}

/**
 * Register an element once; an existing definition is kept.
 * @param {string} name
 * @param {CustomElementConstructor} type
 */
export function defineOnce(name, type) {
  if (!customElements.get(name)) customElements.define(name, type);
}

/**
 * Copy text, also where the page has no clipboard permission (plain http in a LAN).
 * @param {string} text
 * @param {HTMLElement} near where a helper field may stand for a moment
 * @returns {Promise<boolean>}
 */
export async function copyText(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { class: "e3-offscreen", value: text, "aria-hidden": "true" });
    near.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
