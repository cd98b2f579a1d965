// A small chart of a quantity over steps.

const INK = "#e8edf3", FAINT = "#93a0af", LINE = "#2c3643";

export class Chart {
  constructor(canvas, {label, color, logarithmic = false, unit = ""}) {
    Object.assign(this, {canvas, label, color, logarithmic, unit});
    this.x = [];
    this.y = [];
    this.pointer = null;
    canvas.addEventListener("pointermove", (event) => { this.pointer = event.offsetX; this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.pointer = null; this.draw(); });
  }

  set(x, y) {
    const ok = y.map((value) => Number.isFinite(value) && (!this.logarithmic || value > 0));
    this.x = x.filter((_, i) => ok[i]);
    this.y = y.filter((_, i) => ok[i]);
    this.draw();
  }

  push(x, y) {
    if (!Number.isFinite(y) || (this.logarithmic && y <= 0)) return;
    this.x.push(x);
    this.y.push(y);
    if (this.x.length > 1200) {  // thin out the old half
      const keep = (_, i) => i > 600 || i % 2 === 0;
      this.x = this.x.filter(keep);
      this.y = this.y.filter(keep);
    }
    this.draw();
  }

  draw() {
    const {canvas} = this, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px system-ui, sans-serif";
    const [left, right, top, bottom] = [2, width - 46, 20, height - 16];
    pen.fillStyle = INK;
    pen.fillText(this.label, left, 11);
    if (!this.y.length) return;
    const scale = this.logarithmic ? Math.log10 : (v) => v;
    const shown = smoothed(this.y.map(scale));
    let [low, high] = [Math.min(...shown), Math.max(...shown)];
    if (high - low < 1e-9) { low -= 0.5; high += 0.5; }
    const end = Math.max(this.x.at(-1), 1);
    const px = (x) => left + (right - left) * x / end;
    const py = (y) => bottom - (bottom - top) * (y - low) / (high - low);
    pen.strokeStyle = LINE;
    pen.fillStyle = FAINT;
    for (const share of [0, 0.5, 1]) {
      const value = low + (high - low) * share, y = py(value);
      pen.beginPath(); pen.moveTo(left, y); pen.lineTo(right, y); pen.stroke();
      pen.fillText(told(this.logarithmic ? 10 ** value : value), right + 4, y + 4);
    }
    pen.fillText("0", left, height - 3);
    pen.textAlign = "right";
    pen.fillText(`${Math.round(end).toLocaleString("en")} steps`, right, height - 3);
    pen.strokeStyle = this.color;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.beginPath();
    shown.forEach((y, i) => pen.lineTo(px(this.x[i]), py(y)));
    pen.stroke();
    const at = this.pointer === null ? this.x.length - 1 : this.nearest((this.pointer - left) / (right - left) * end);
    pen.fillStyle = this.color;
    pen.beginPath(); pen.arc(px(this.x[at]), py(shown[at]), 2.6, 0, 7); pen.fill();
    const where = this.pointer === null ? "" : `step ${this.x[at].toLocaleString("en")}: `;
    pen.fillText(where + told(this.logarithmic ? 10 ** shown[at] : shown[at]) + this.unit, right, 11);
  }

  nearest(x) {
    let best = 0;
    this.x.forEach((value, i) => { if (Math.abs(value - x) < Math.abs(this.x[best] - x)) best = i; });
    return best;
  }
}

// Batches differ: a mean that follows slowly tells the trend.
function smoothed(values) {
  let mean = values[0];
  return values.map((value, i) => (mean += (value - mean) * Math.max(0.25, 1 / (i + 1))));
}

export function told(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(1);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toPrecision(2);
}
