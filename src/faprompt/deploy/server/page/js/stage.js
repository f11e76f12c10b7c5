/** Zoom and pan of one picture: wheel, pinch, drag, and steps for keys. */

const MOST = 64; // CSS pixels per pixel of the image
const STEP = 1.25;
const PIXELS_FROM = 2; // magnification from which single pixels are shown as squares

/** Events: "move" after every change. `k` is CSS pixels per image pixel, `x`, `y` the image's corner. */
export class Stage extends EventTarget {
  k = 1;
  x = 0;
  y = 0;
  fitted = true;
  #pointers = new Map();

  constructor(node, content) {
    super();
    this.node = node;
    this.content = content;
    this.width = this.height = 1;
    new ResizeObserver(() => (this.fitted ? this.fit() : this.#apply())).observe(node);
    node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    node.addEventListener("pointerdown", (event) => this.#down(event));
    node.addEventListener("pointermove", (event) => this.#drag(event));
    for (const name of ["pointerup", "pointercancel"])
      node.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    node.addEventListener("dblclick", (event) => this.#double(event));
  }

  /** Begin with a picture of this size, wholly in sight. */
  show(width, height) {
    Object.assign(this, { width, height });
    this.content.style.width = `${width}px`;
    this.content.style.height = `${height}px`;
    this.fit();
  }

  get #least() {
    const { clientWidth, clientHeight } = this.node;
    return Math.min(clientWidth / this.width, clientHeight / this.height) || 1;
  }

  fit() {
    this.k = Math.min(this.#least, 8);
    this.x = (this.node.clientWidth - this.width * this.k) / 2;
    this.y = (this.node.clientHeight - this.height * this.k) / 2;
    this.fitted = true;
    this.#apply();
  }

  /** Zoom by a factor around a point of the stage (its middle without one). */
  zoom(factor, at = this.middle) {
    this.zoomTo(this.k * factor, at);
  }

  zoomTo(k, at = this.middle) {
    const least = Math.min(this.#least, 1) / 2;
    const next = Math.min(MOST, Math.max(least, k));
    this.x = at.x - ((at.x - this.x) * next) / this.k;
    this.y = at.y - ((at.y - this.y) * next) / this.k;
    this.k = next;
    this.fitted = false;
    this.#apply();
  }

  stepIn = () => this.zoom(STEP);
  stepOut = () => this.zoom(1 / STEP);

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.#apply();
  }

  /** Bring a box of the image (x, y, width, height) into sight, with room around it. */
  frame([x, y, width, height]) {
    const { clientWidth, clientHeight } = this.node;
    const k = Math.min(
      clientWidth / (3 * Math.max(width, 1)),
      clientHeight / (3 * Math.max(height, 1)),
    );
    this.k = Math.min(16, Math.max(k, this.#least));
    this.x = clientWidth / 2 - (x + width / 2) * this.k;
    this.y = clientHeight / 2 - (y + height / 2) * this.k;
    this.fitted = false;
    this.#apply();
  }

  get middle() {
    return { x: this.node.clientWidth / 2, y: this.node.clientHeight / 2 };
  }

  /** Point of the stage to point of the image. */
  toImage({ x, y }) {
    return { x: (x - this.x) / this.k, y: (y - this.y) / this.k };
  }

  local(event) {
    const box = this.node.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** At least a corner of the picture stays in sight. */
  #hold() {
    const [w, h] = [this.width * this.k, this.height * this.k];
    const { clientWidth, clientHeight } = this.node;
    const inside = (value, size, room) =>
      Math.min(room - Math.min(60, size / 2), Math.max(Math.min(60, size / 2) - size, value));
    this.x = inside(this.x, w, clientWidth);
    this.y = inside(this.y, h, clientHeight);
  }

  #apply() {
    this.#hold();
    this.content.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.k})`;
    this.content.classList.toggle("pixels", this.k >= PIXELS_FROM);
    this.dispatchEvent(new Event("move"));
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 24 : 1;
    this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), this.local(event));
  }

  #down(event) {
    if (event.button || event.target.closest("button, input")) return;
    this.node.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.local(event));
  }

  #drag(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.local(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (!other) {
      this.pan(now.x - before.x, now.y - before.y);
      return;
    }
    const distance = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
    const middle = (a) => ({ x: (a.x + other.x) / 2, y: (a.y + other.y) / 2 });
    const [from, to] = [middle(before), middle(now)];
    this.pan(to.x - from.x, to.y - from.y);
    this.zoom(distance(now) / distance(before), to);
  }

  #double(event) {
    if (this.fitted) this.zoomTo(Math.max(1, this.k * 4), this.local(event));
    else this.fit();
  }
}
