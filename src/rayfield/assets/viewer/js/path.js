// A camera path: cameras in time, kept by hand or recorded, on the curve that `render` films.
import {normalised, quaternion, rotation, rowsOf} from "./math.js";

const EVERY = 100;  // ms between cameras that are recorded
const MOST = 1800;
const INK = [1, 0.7, 0.33, 0.95];

export class CameraPath {
  constructor(lines, changed) {
    Object.assign(this, {lines, changed});
    this.keys = [];
    this.seconds = 6;
    this.loop = false;
    this.recording = this.playing = null;
  }

  add(eye) {
    this.keys.push({pose: eye.pose, fov: eye.fov, time: this.keys.length});
    this.rebuild();
  }

  remove(index) {
    this.keys.splice(index, 1);
    this.rebuild();
  }

  clear() {
    this.keys = [];
    this.recording = this.playing = null;
    this.rebuild();
  }

  record(now) {
    if (this.recording !== null) {
      this.recording = null;
    } else {
      this.keys = [];
      this.recording = now;
    }
    this.rebuild();
  }

  // Keep what is seen at this moment, if it is time to; the times are those of the clock.
  capture(eye, now) {
    if (this.recording === null) return;
    const time = (now - this.recording) / 1000, last = this.keys.at(-1);
    if (last && time - last.time < EVERY / 1000) return;
    if (this.keys.length >= MOST) { this.record(now); return; }
    this.keys.push({pose: eye.pose, fov: eye.fov, time});
    this.seconds = Math.max(time, 0.1);
    this.rebuild();
  }

  // Cameras with times from 0 to `seconds`, the first again at the end of a loop.
  timed() {
    const keys = this.loop && this.keys.length > 1
      ? [...this.keys, {...this.keys[0], time: this.keys.at(-1).time + this.meanGap()}] : this.keys;
    const first = keys[0]?.time ?? 0, span = (keys.at(-1)?.time ?? 1) - first || 1;
    return keys.map((key) => ({...key, seconds: (key.time - first) / span * this.seconds}));
  }

  meanGap() { return (this.keys.at(-1).time - this.keys[0].time) / (this.keys.length - 1); }

  message(width, height) {
    const keys = this.timed().map(({seconds, pose, fov}) => ({seconds, pose: rowsOf(pose), fov}));
    return {keys, width, height, loop: this.loop && this.keys.length > 1};
  }

  at(seconds) {
    const keys = this.timed();
    if (keys.length < 2) return keys[0];
    return sampled(keys, seconds, this.loop);
  }

  rebuild() {
    const lines = [];
    if (this.keys.length > 1) {
      const steps = Math.min(40 * this.keys.length, 600);
      let last = this.at(0).pose.p;
      for (let i = 1; i <= steps; i++) {
        const next = this.at(this.seconds * i / steps).pose.p;
        lines.push([last, next, INK]);
        last = next;
      }
    }
    this.lines.set("path", lines);
    this.changed();
  }
}

// Cubic Hermite with Catmull-Rom slopes, of places, angles of view and quaternions.
function sampled(keys, seconds, loop) {
  const times = keys.map((key) => key.seconds);
  const values = keys.map(({pose, fov}) => [...quaternion(pose.r), ...pose.p, fov]);
  for (let i = 1; i < values.length; i++) {
    const cosine = [0, 1, 2, 3].reduce((sum, k) => sum + values[i][k] * values[i - 1][k], 0);
    if (cosine < 0) for (let k = 0; k < 4; k++) values[i][k] *= -1;
  }
  const n = times.length;
  const step = (i) => times[i + 1] - times[i];
  const rise = (i, k) => (values[i + 1][k] - values[i][k]) / step(i);
  const slope = (i, k) => {
    const before = i > 0 ? i - 1 : loop ? n - 2 : 0, after = i < n - 1 ? i : loop ? 0 : n - 2;
    const a = step(before), b = step(after);
    return (a * rise(before, k) + b * rise(after, k)) / (a + b);
  };
  let i = 0;
  while (i < n - 2 && seconds >= times[i + 1]) i++;
  const h = step(i), s = (seconds - times[i]) / h;
  const value = values[0].map((_, k) =>
    (2 * s ** 3 - 3 * s ** 2 + 1) * values[i][k] + (s ** 3 - 2 * s ** 2 + s) * h * slope(i, k)
    + (3 * s ** 2 - 2 * s ** 3) * values[i + 1][k] + (s ** 3 - s ** 2) * h * slope(i + 1, k));
  return {pose: {r: rotation(normalised(value.slice(0, 4))), p: value.slice(4, 7)}, fov: value[7]};
}
