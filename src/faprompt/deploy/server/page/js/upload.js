/** Sending many files: a few at a time, at the pace of the server. */

import * as api from "./api.js";

const FILES = 12; // per request, or fewer where the server says so
const BYTES = 24 * 2 ** 20;
const LANES = 2;
const LONGEST_WAIT = 30; // s

/**
 * Events: "progress" after every request, "done" at the end. `refused` holds `{name, message}`;
 * `waiting` says why nothing moves, or is "".
 */
export class Upload extends EventTarget {
  sent = 0;
  /** Ids of the items that the server made of the files. */
  ids = [];
  refused = [];
  waiting = "";
  #stop = new AbortController();

  constructor(batch, files) {
    super();
    this.batch = batch;
    this.files = files;
  }

  get active() {
    return !this.finished && !this.#stop.signal.aborted;
  }

  /**
   * Send no more. What is on its way arrives first: a request cut off in the middle might still
   * be stored after the batch was cancelled, and would open it again.
   */
  async cancel() {
    this.#stop.abort();
    await this.ended;
  }

  run() {
    this.ended = this.#run();
    return this.ended;
  }

  async #run() {
    const limits = await api.limits().catch(() => ({}));
    const bytes = Math.min(BYTES, (limits.request_bytes ?? BYTES) * 0.95);
    this.chunks = chunks(this.files, Math.min(FILES, limits.files ?? FILES), bytes);
    try {
      await Promise.all(Array.from({ length: LANES }, () => this.#lane()));
    } finally {
      this.finished = true;
      this.#tell("done");
    }
  }

  async #lane() {
    let tries = 0;
    while (this.chunks.length && !this.#stop.signal.aborted) {
      const chunk = this.chunks.shift();
      try {
        const answer = await api.sendImages(this.batch, chunk);
        this.ids.push(...answer.items.map((item) => item.id));
        await this.#taken(chunk, answer.rejected);
        tries = 0;
      } catch (error) {
        await this.#failed(chunk, error, tries++);
      }
      this.#tell("progress");
    }
  }

  /** Some of a chunk may have found the queue full: they go again. */
  async #taken(chunk, rejected) {
    const again = new Set(rejected.filter((one) => one.retry).map((one) => one.name));
    const rest = chunk.filter(({ name }) => again.has(name));
    this.refused.push(...rejected.filter((one) => !one.retry));
    this.sent += chunk.length - rest.length;
    this.waiting = "";
    if (!rest.length) return;
    this.chunks.unshift(rest);
    await this.#wait("the server's queue is full", 1);
  }

  async #failed(chunk, error, tries) {
    if (error.status === 503 || error.status === 429) {
      this.chunks.unshift(chunk);
      await this.#wait("the server's queue is full", error.retryAfter ?? 2);
    } else if (error.status === 0) {
      this.chunks.unshift(chunk);
      await this.#wait("the server does not answer", 2 ** tries);
    } else if (error.status === 413 && chunk.length > 1) {
      this.chunks.unshift(...chunk.map((one) => [one]));
    } else if (error.status === 401 || error.status === 404) {
      throw error; // no file of this batch can be sent
    } else {
      this.sent += chunk.length;
      this.refused.push(...chunk.map(({ name }) => ({ name, message: error.message })));
    }
  }

  #wait(reason, seconds) {
    this.waiting = reason;
    this.#tell("progress");
    const { signal } = this.#stop;
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      setTimeout(resolve, 1000 * Math.min(LONGEST_WAIT, Math.max(0.2, seconds)));
      signal.addEventListener("abort", resolve, { once: true });
    });
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

/** Groups of at most `many` files and about `bytes` in all; a large file goes alone. */
export function chunks(files, many, bytes) {
  const groups = [];
  let group = [];
  let size = 0;
  for (const one of files) {
    if (group.length && (group.length >= many || size + one.file.size > bytes)) {
      groups.push(group);
      group = [];
      size = 0;
    }
    group.push(one);
    size += one.file.size;
  }
  if (group.length) groups.push(group);
  return groups;
}
