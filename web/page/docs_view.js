// @ts-check
/** The OpenAPI document as a reader wants it: routes, fields with their bounds, and curl commands. */

/** @typedef {Record<string, any>} Schema */
/** @typedef {{name: string, where: string, type: string, about: string, isRequired: boolean}} Field */
/** @typedef {{status: string, about: string, fields: Field[]}} Answer */
/** @typedef {{id: string, method: string, path: string, summary: string, parameters: Field[], bodyTypes: string[], body: Field[], answers: Answer[], curl: string}} Operation */

const JSON_TYPE = "application/json";
const WORDS = /** @type {Record<string, string>} */ ({ string: "text", object: "object", array: "list" });
const DEEPEST = 2;

/**
 * @param {Schema} part a schema or an answer, which may be a reference
 * @param {Schema} document
 * @returns {Schema}
 */
export function resolve(part, document) {
  const keys = part.$ref?.split("/").slice(1) ?? [];
  return keys.length ? keys.reduce((/** @type {any} */ at, /** @type {string} */ key) => at[key], document) : part;
}

/**
 * @param {Schema} schema
 * @returns {string} "integer 1 to 999", "list of text", "pending | done"
 */
export function typeOf(schema) {
  if (schema.enum) return schema.enum.map(String).join(" | ");
  const types = [schema.type ?? "any"].flat().map((type) => {
    if (type === "array" && schema.items) return `list of ${typeOf(schema.items)}`;
    return WORDS[type] ?? type;
  });
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const bounds = [low === undefined ? "" : `from ${low}`, schema.maximum === undefined ? "" : `to ${schema.maximum}`];
  const most = schema.maxItems === undefined ? "" : `, up to ${schema.maxItems}`;
  return [types.join(" or "), ...bounds.filter(Boolean)].join(" ") + most;
}

/**
 * @param {Schema} schema
 * @param {string} [prefix]
 * @param {number} [depth]
 * @returns {Field[]} its fields, and those of the objects in it
 */
export function fieldsOf(schema, prefix = "", depth = 0) {
  const within = schema.type === "array" ? schema.items ?? {} : schema;
  const start = schema.type === "array" ? `${prefix}[]` : prefix;
  return Object.entries(within.properties ?? {}).flatMap(([key, inner]) => {
    const name = start ? `${start}.${key}` : key;
    const isRequired = (within.required ?? []).includes(key);
    const field = { name, where: "", type: typeOf(inner), about: aboutOf(inner), isRequired };
    return depth < DEEPEST ? [field, ...fieldsOf(inner, name, depth + 1)] : [field];
  });
}

/**
 * @param {Schema} schema
 * @returns {string}
 */
function aboutOf(schema) {
  const normal = schema.default === undefined || schema.default === null ? "" : `Default ${schema.default}.`;
  return [schema.description, normal].filter(Boolean).join(" ");
}

/**
 * @param {Schema} document
 * @param {string} base the server's address, with /api where the page was asked under it
 * @returns {Operation[]}
 */
export function operationsOf(document, base) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(/** @type {Schema} */ (methods)).map(([method, operation]) => {
      const content = operation.requestBody?.content ?? {};
      const body = resolve(content[JSON_TYPE]?.schema ?? {}, document);
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary,
        parameters: operation.parameters.map(parameterOf),
        bodyTypes: Object.keys(content),
        body: fieldsOf(body),
        answers: answersOf(operation.responses, document),
        curl: curlOf(method.toUpperCase(), `${base}${path}`, operation, body),
      };
    }),
  );
}

/**
 * @param {Schema} parameter
 * @returns {Field}
 */
function parameterOf({ name, in: where, required, schema }) {
  return { name, where, type: typeOf(schema), about: aboutOf(schema), isRequired: required };
}

/**
 * @param {Schema} responses
 * @param {Schema} document
 * @returns {Answer[]}
 */
function answersOf(responses, document) {
  return Object.entries(responses).map(([status, given]) => {
    const answer = resolve(given, document);
    const schema = status < "300" ? answer.content?.[JSON_TYPE]?.schema : null;
    const fields = fieldsOf(resolve(schema ?? {}, document)).map((field) => ({ ...field, isRequired: false }));
    return { status, about: answer.description, fields };
  });
}

/**
 * @param {string} method
 * @param {string} url
 * @param {Schema} operation
 * @param {Schema} body
 * @returns {string}
 */
export function curlOf(method, url, operation, body) {
  const inPath = operation.parameters.filter((/** @type {Schema} */ each) => each.in === "path");
  const address = inPath.reduce(
    (/** @type {string} */ text, /** @type {Schema} */ each) => text.replace(`{${each.name}}`, each.example ?? each.name),
    url,
  );
  if (method === "GET") return `curl ${quote(address)}`;
  const data = JSON.stringify(body.examples?.[0] ?? {});
  return `curl -X ${method} -H ${quote(`Content-Type: ${JSON_TYPE}`)} \\\n     -d ${quote(data)} ${quote(address)}`;
}

/**
 * @param {string} text
 * @returns {string} as a shell takes it
 */
function quote(text) {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
