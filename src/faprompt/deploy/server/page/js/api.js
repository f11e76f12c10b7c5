/** The desk's HTTP API: one function per need, errors as one class. */

const ROOT = new URL("api/v1/", document.baseURI);

export class ApiError extends Error {
  /** @param status HTTP status; 0: the server did not answer. */
  constructor(message, status, { input = null, retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.input = input;
    this.retryAfter = retryAfter;
  }
}

let askForKey = null;
/** Who asks the user for the key when the server wants one; it resolves when logged in. */
export function onKeyNeeded(handler) {
  askForKey = handler;
}

export const address = (path) => new URL(path, ROOT).href;

/** Call the API and give the JSON of the answer (null for none). */
export async function call(path, { method = "GET", json, body, signal } = {}) {
  const request = { method, signal, body, headers: {} };
  if (json !== undefined) {
    request.body = JSON.stringify(json);
    request.headers["Content-Type"] = "application/json";
  }
  let response = await answered(path, request);
  if (response.status === 401 && askForKey && path !== "login") {
    await askForKey();
    response = await answered(path, request);
  }
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

async function answered(path, request) {
  try {
    return await fetch(address(path), request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer.", 0);
  }
}

async function failure(response) {
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  const more = { retryAfter: Number.isFinite(wait) ? wait : null };
  try {
    const { error } = await response.json();
    return new ApiError(error.message, response.status, { ...more, input: error.input });
  } catch {
    return new ApiError(
      `The server answered ${response.status} ${response.statusText}.`,
      response.status,
      more,
    );
  }
}

const post = (path, json) => call(path, { method: "POST", json });

export const session = () => call("session");
export const login = (key) => post("login", { key });
export const logout = () => post("logout", {});
export const limits = () => call("limits");
export const models = async () => (await call("models")).models;

export const stations = async () => (await call("stations")).stations;
export const calibrate = (request) => post("stations", request);
export const removeStation = (id) => call(`stations/${id}`, { method: "DELETE" });
export const stationFile = (id) => address(`stations/${id}/file`);

export const batches = async () => (await call("batches")).batches;
export const batch = (id) => call(`batches/${id}`);
export const makeBatch = (request) => post("batches", request);
export const changeBatch = (id, json) => call(`batches/${id}`, { method: "PATCH", json });
export const removeBatch = (id) => call(`batches/${id}`, { method: "DELETE" });
export const cancelBatch = (id) => post(`batches/${id}/cancel`, {});
export const changedItems = (id, after, signal) =>
  call(`batches/${id}/items?after=${after}`, { signal });
export const compare = (id, other) =>
  call(`batches/${id}/compare?other=${encodeURIComponent(other)}`);
export const exportFile = (id, format) => address(`batches/${id}/export?format=${format}`);

/** One item with the polygons of its regions, which lists leave out. */
export const item = (id, signal) => call(`items/${id}`, { signal });
export const label = (id, value) =>
  call(`items/${id}/label`, { method: "PUT", json: { label: value } });
export const picture = (id, kind, size) => address(`items/${id}/${kind}?size=${size}`);
export const labels = (id, items, value) =>
  call(`batches/${id}/labels`, { method: "PUT", json: { items, label: value } });

/** Send some files; gives `{items, rejected}`. */
export function sendImages(id, files) {
  const body = new FormData();
  for (const { file, name } of files) body.append("files", file, name);
  return call(`batches/${id}/images`, { method: "POST", body });
}
