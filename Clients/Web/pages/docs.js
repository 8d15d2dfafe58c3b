// @ts-check
// Draws the API's OpenAPI description as a page. Everything is made as text nodes: nothing in it can become markup.

const METHODS = ["get", "post", "patch", "put", "delete"];

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string | null | undefined)} children
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/**
 * Words with `code` in backticks.
 * @param {string} text
 */
function words(text) {
  const made = document.createDocumentFragment();
  text.split("`").forEach((piece, at) => made.append(at % 2 ? element("code", {}, piece) : piece));
  return made;
}

/**
 * Paragraphs, which a blank line divides.
 * @param {string | undefined} text
 */
function paragraphs(text) {
  const made = document.createDocumentFragment();
  for (const paragraph of (text ?? "").split("\n\n")) if (paragraph) made.append(element("p", {}, words(paragraph)));
  return made;
}

/**
 * A node, or what its `$ref` names.
 * @param {any} description
 * @param {any} node
 * @returns {any}
 */
function resolve(description, node) {
  let found = node;
  while (found?.$ref) {
    /** @type {string[]} */
    const path = found.$ref.slice(2).split("/");
    found = path.reduce((at, name) => at[name], description);
  }
  return found;
}

/**
 * What a schema takes, in a few words.
 * @param {any} description
 * @param {any} given
 * @returns {string}
 */
function kind(description, given) {
  const schema = resolve(description, given) ?? {};
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.oneOf) return schema.oneOf.map((/** @type {any} */ one) => kind(description, one)).join(" or ");
  if (schema.type === "array") return `array of ${kind(description, schema.items)}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  if (given?.$ref && (schema.type === "object" || schema.allOf)) return given.$ref.split("/").pop();
  return [schema.type ?? "any JSON", schema.format && `(${schema.format})`].filter(Boolean).join(" ");
}

/**
 * All members of an object's schema, those of `allOf` too.
 * @param {any} description
 * @param {any} given
 */
function members(description, given) {
  const schema = resolve(description, given) ?? {};
  /** @type {{name: string, schema: any, required: boolean}[]} */
  const found = (schema.allOf ?? []).flatMap((/** @type {any} */ part) => members(description, part));
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    found.push({ name, schema: member, required: (schema.required ?? []).includes(name) });
  }
  return found;
}

/**
 * @typedef {{name: string, schema: any, required: boolean, where?: string, description?: string}} Row
 * @param {any} description
 * @param {string} title
 * @param {Row[]} rows
 */
function table(description, title, rows) {
  if (rows.length === 0) return null;
  const body = rows.map((row) => {
    const schema = resolve(description, row.schema) ?? {};
    const limits = schema.default === undefined ? "" : `, default ${schema.default}`;
    const text = row.description ?? row.schema.description ?? schema.description ?? "";
    return element("tr", {},
      element("th", { scope: "row" }, element("code", {}, row.name)),
      element("td", {}, [row.where, kind(description, row.schema), row.required ? "" : "optional"]
        .filter(Boolean).join(", ") + limits),
      element("td", {}, words(text)));
  });
  return element("div", { class: "scroll" },
    element("h3", {}, title), element("table", {}, element("tbody", {}, ...body)));
}

/** @param {any} description @param {any} operation */
function requestBody(description, operation) {
  const content = operation.requestBody?.content?.["application/json"];
  if (!content) return null;
  return element("div", {},
    table(description, "Body", members(description, content.schema)) ?? element("h3", {}, "Body"),
    members(description, content.schema).length ? null : paragraphs(resolve(description, content.schema).description),
    content.example ? element("pre", { tabindex: "0" }, JSON.stringify(content.example, null, 2)) : null);
}

/** @param {any} description @param {any} operation */
function answers(description, operation) {
  const rows = Object.entries(operation.responses).map(([status, given]) => {
    const answer = resolve(description, given);
    const schema = answer.content?.["application/json"]?.schema;
    const listed = schema && members(description, schema).map((one) => `${one.name}: ${kind(description, one.schema)}`);
    const named = schema?.$ref?.split("/").pop() ?? listed?.join(", ");
    return element("tr", {},
      element("th", { scope: "row" }, status), element("td", {}, words(answer.description)),
      element("td", {}, named ? element("code", {}, named) : ""));
  });
  return element("div", { class: "scroll" },
    element("h3", {}, "Answers"), element("table", {}, element("tbody", {}, ...rows)));
}

/** @param {any} description @param {string} path @param {string} method */
function drawOperation(description, path, method) {
  const item = description.paths[path];
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])]
    .map((given) => resolve(description, given))
    .map(({ name, schema, required, in: where, description: text }) =>
      ({ name, schema, required: required === true, where, description: text }));
  return element("details", { class: "operation", id: operation.operationId },
    element("summary", {},
      element("code", { class: "method" }, method.toUpperCase()), element("code", { class: "path" }, path),
      element("span", { class: "summary" }, operation.summary)),
    element("div", {},
      paragraphs(operation.description), table(description, "Parameters", parameters),
      requestBody(description, operation), answers(description, operation)));
}

/** @param {any} description */
function drawSchemas(description) {
  const drawn = Object.entries(description.components.schemas)
    .filter(([, schema]) => members(description, schema).length > 0)
    .map(([name, schema]) => element("details", { class: "operation", id: `schema-${name}` },
      element("summary", {}, element("code", { class: "method" }, name)),
      element("div", {}, table(description, "Members", members(description, schema)))));
  return element("section", { id: "schemas" }, element("h2", {}, "Objects"), ...drawn);
}

/** @param {any} description */
function draw(description) {
  const reference = /** @type {HTMLElement} */ (document.getElementById("reference"));
  const contents = /** @type {HTMLElement} */ (document.getElementById("contents"));
  /** @type {HTMLElement} */ (document.getElementById("status")).textContent = description.info.summary;
  reference.append(paragraphs(description.info.description));
  for (const tag of description.tags) {
    const operations = Object.keys(description.paths).flatMap((path) =>
      METHODS.filter((method) => description.paths[path][method]?.tags.includes(tag.name))
        .map((method) => ({ path, method })));
    const id = tag.name.toLowerCase();
    reference.append(element("section", { id },
      element("h2", {}, tag.name), paragraphs(tag.description),
      ...operations.map(({ path, method }) => drawOperation(description, path, method))));
    contents.append(element("div", {}, element("a", { class: "tag", href: `#${id}` }, tag.name),
      element("ul", {}, ...operations.map(({ path, method }) => {
        const operation = description.paths[path][method];
        return element("li", {}, element("a", { href: `#${operation.operationId}` }, operation.summary));
      }))));
  }
  reference.append(drawSchemas(description));
  contents.append(element("a", { class: "tag", href: "#schemas" }, "Objects"));
}

/** Opens the operation that the address names. */
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

// A module, for its top level waits.
export {};

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  draw(await answer.json());
  openNamed();
  addEventListener("hashchange", openNamed);
} catch (error) {
  const status = /** @type {HTMLElement} */ (document.getElementById("status"));
  const why = error instanceof Error ? error.message : error;
  status.textContent = `The description could not be read: ${why}. Reload the page to try again.`;
}
