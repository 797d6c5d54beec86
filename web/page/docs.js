// @ts-check
/** The page of the routes: reads openapi.json and lists what can be asked, with what, and what comes back. */

import { Client } from "../js/client.js";
import { h } from "../js/dom.js";
import { operationsOf } from "./docs_view.js";
import { pageTransport } from "./transport.js";

/** @typedef {import("./docs_view.js").Operation} Operation */
/** @typedef {import("./docs_view.js").Field} Field */

const content = /** @type {HTMLElement} */ (document.querySelector("#content"));
const base = new URL("..", new URL(".", document.baseURI)).href.replace(/\/$/, "");

/**
 * @param {string} title
 * @param {Field[]} fields
 * @returns {HTMLElement | null}
 */
function table(title, fields) {
  if (!fields.length) return null;
  const rows = fields.map(({ name, where, type, about, isRequired }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", { textContent: name }), isRequired ? h("em", { textContent: " required" }) : null),
      h("td", { textContent: where ? `${where}: ${type}` : type }),
      h("td", { textContent: about }),
    ),
  );
  return h("table", {}, h("caption", { textContent: title }), h("tbody", {}, ...rows));
}

/**
 * @param {Operation} operation
 * @returns {HTMLElement}
 */
function section({ id, method, path, summary, parameters, bodyTypes, body, answers, curl }) {
  const refusals = answers.filter(({ status }) => status >= "400");
  const rows = answers
    .filter(({ status }) => status < "400")
    .flatMap(({ status, about, fields }) => [h("p", {}, h("code", { textContent: status }), ` ${about}`), table("It holds", fields)]);
  return h(
    "section",
    { id },
    h("h2", {}, h("span", { class: `method ${method}`, textContent: method }), h("code", { textContent: ` ${path}` })),
    h("p", { textContent: summary }),
    table("Parameters", parameters),
    bodyTypes.length ? h("p", { textContent: `Body: ${bodyTypes.join(" or ")}` }) : null,
    table("Fields of the body", body),
    h("pre", {}, h("code", { textContent: curl })),
    h("h3", { textContent: "Answers" }),
    ...rows,
    h(
      "details",
      {},
      h("summary", { textContent: `Refusals: ${refusals.map(({ status }) => status).join(", ")}` }),
      h("ul", {}, ...refusals.map(({ status, about }) => h("li", {}, h("code", { textContent: status }), ` ${about}`))),
    ),
  );
}

/**
 * @param {Operation[]} operations
 * @returns {HTMLElement}
 */
function contents(operations) {
  const items = operations.map(({ id, method, path, summary }) =>
    h(
      "li",
      {},
      h("a", { href: `#${id}` }, h("span", { class: `method ${method}`, textContent: method }), ` ${path.slice("/e3".length) || "/e3"}`),
      h("small", { textContent: summary }),
    ),
  );
  return h("nav", { "aria-label": "Routes" }, h("ul", {}, ...items));
}

/** @returns {Promise<{token: string, remember: boolean}>} what the person gives, once asked on the page */
function askToken() {
  const field = h("input", { type: "password", name: "token", required: true, autocomplete: "off" });
  const form = h("form", {}, h("label", {}, "api_token of global_config.yaml ", field), h("button", { textContent: "Open" }));
  content.replaceChildren(h("main", {}, form));
  field.focus();
  return new Promise((done) =>
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      done({ token: field.value, remember: false });
    }),
  );
}

async function show() {
  const api = await new Client(pageTransport(document.baseURI), askToken).get("/e3/openapi.json");
  const operations = operationsOf(api, base);
  const intro = h("p", { textContent: `Version ${api.info.version}. ${api.info.description}` });
  content.replaceChildren(contents(operations), h("main", {}, intro, ...operations.map(section)));
  document.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`)?.scrollIntoView();
}

show().catch((error) => content.replaceChildren(h("p", { role: "alert", textContent: error.message })));
