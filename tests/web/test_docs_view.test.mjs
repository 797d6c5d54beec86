import assert from "node:assert/strict";
import { test } from "node:test";

import { curlOf, fieldsOf, operationsOf, typeOf } from "../../web/page/docs_view.js";

const REFUSAL = { description: "No job has that name." };
const CHANGE = { type: "object", required: ["priority"], properties: { priority: { type: "integer", minimum: 1, maximum: 999 } } };
const API = {
  paths: {
    "/e3/jobs/{name}": {
      patch: {
        operationId: "change",
        summary: "Change it",
        parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" }, example: "it's" }],
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Change" } } } },
        responses: {
          200: { description: "Done.", content: { "application/json": { schema: CHANGE } } },
          404: { $ref: "#/components/responses/Refusal404" },
        },
      },
    },
  },
  components: { schemas: { Change: { ...CHANGE, examples: [{ priority: 20 }] } }, responses: { Refusal404: REFUSAL } },
};

test("a type is told with its bounds", () => {
  const told = [
    [{ type: "integer", minimum: 1, maximum: 999 }, "integer from 1 to 999"],
    [{ type: ["string", "null"] }, "text or null"],
    [{ type: "array", items: { type: "string" }, maxItems: 3 }, "list of text, up to 3"],
    [{ enum: ["a", null] }, "a | null"],
    [{}, "any"],
  ];
  for (const [schema, text] of told) assert.equal(typeOf(schema), text);
});

test("fields of objects and lists within are named by their path", () => {
  const job = { properties: { outputs: { type: "object", properties: { path: { type: "string", default: "x" } } } } };
  const list = { properties: { jobs: { type: "array", items: { ...CHANGE } } } };

  assert.deepEqual(fieldsOf(job).map(({ name, about }) => [name, about]), [["outputs", ""], ["outputs.path", "Default x."]]);
  assert.deepEqual(fieldsOf(list).map(({ name, isRequired }) => [name, isRequired]), [["jobs", false], ["jobs[].priority", true]]);
});

test("an operation is told whole, its references followed", () => {
  const [operation] = operationsOf(API, "http://x");

  assert.equal(operation.method, "PATCH");
  assert.deepEqual(operation.body.map(({ name }) => name), ["priority"]);
  assert.deepEqual(operation.answers.map(({ status, about }) => [status, about]), [["200", "Done."], ["404", REFUSAL.description]]);
});

test("a curl command can be pasted", () => {
  const [operation] = operationsOf(API, "http://x/api");

  assert.equal(
    operation.curl,
    `curl -X PATCH -H 'Content-Type: application/json' \\\n     -d '{"priority":20}' 'http://x/api/e3/jobs/it'\\''s'`,
  );
  assert.equal(curlOf("GET", "http://x:1/e3/jobs", { parameters: [] }, {}), "curl http://x:1/e3/jobs");
});
