// Pointer, wheel and keys to movements of the eye.

const CLICK = 4;  // pixels that a click may move
const FLY = {w: [0, 0, 1], s: [0, 0, -1], a: [-1, 0, 0], d: [1, 0, 0], q: [0, 1, 0], e: [0, -1, 0]};
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

export class Control {
  constructor(canvas, eye, {click, twice, hover, key, wake}) {
    Object.assign(this, {canvas, eye, click, twice, hover, key, wake});
    this.pointers = new Map();
    this.held = new Set();
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    canvas.addEventListener("dblclick", (event) => this.twice(event.offsetX, event.offsetY));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("keydown", (event) => this.pressed(event));
    addEventListener("keyup", (event) => this.held.delete(event.key.toLowerCase()));
    addEventListener("blur", () => this.held.clear());
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({preventScroll: true});
    this.pointers.set(event.pointerId, {x: event.offsetX, y: event.offsetY});
    this.moves = 0;
    this.canvas.classList.add("held");
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) { this.hover(event.offsetX, event.offsetY); return; }
    const now = {x: event.offsetX, y: event.offsetY};
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    this.moves += Math.abs(dx) + Math.abs(dy);
    const others = [...this.pointers.entries()].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, now);
    if (this.moves < CLICK) return;
    const {clientHeight: height} = this.canvas;
    if (others.length) {  // two fingers: shift and pinch
      const other = others[0][1];
      const apart = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
      this.eye.pan(dx / 2 / height, dy / 2 / height);
      this.eye.dolly(apart(before) / apart(now));
    } else if (event.buttons & 2 || event.buttons & 4 || event.shiftKey) {
      this.eye.pan(dx / height, dy / height);
    } else if (event.ctrlKey || event.altKey) {
      this.eye.turn(-dx * this.eye.fov * Math.PI / 180 / height, -dy * this.eye.fov * Math.PI / 180 / height);
    } else {
      this.eye.orbit(5 * dx / height, 5 * dy / height);
    }
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.pointers.size) this.canvas.classList.remove("held");
    if (this.moves < CLICK && event.type === "pointerup" && event.button === 0) this.click(event.offsetX, event.offsetY);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.eye.dolly(Math.exp(Math.max(-1, Math.min(1, event.deltaY * lines / 600))));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (FLY[name]) { this.held.add(name); this.wake(); return; }
    if (ARROWS[name]) {
      const [x, y] = ARROWS[name];
      this.eye.orbit(-0.1 * x, -0.1 * y);
      event.preventDefault();
    } else if (this.key(name)) {
      event.preventDefault();
    }
  }

  // Fly on while keys are down; whether any is.
  advance(seconds) {
    const keys = [...this.held].filter((name) => FLY[name]);
    if (!keys.length) return false;
    const speed = 0.7 * this.eye.distance * Math.min(seconds, 0.1);
    this.eye.move(...[0, 1, 2].map((i) => keys.reduce((sum, name) => sum + FLY[name][i], 0) * speed));
    return true;
  }
}
