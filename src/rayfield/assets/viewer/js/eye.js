// Where one looks from: a pose, a point to turn about `distance` ahead, and an angle of view.
import {add, clamp, column, cross, dot, mix, quaternion, rotation, scaled, slerp, squared, sub,
  turnedPose, unit, length} from "./math.js";

const POLE = Math.cos(0.05);  // how nearly straight up or down one may look

export class Eye {
  constructor(home, up, changed) {
    this.up = unit(up);
    this.home = home;
    this.changed = changed;
    this.flight = null;
    this.reset();
  }

  reset() {
    const {pose, fov} = this.home;
    this.set(pose, fov);
    this.aim([0, 0, 0]);
  }

  set(pose, fov = this.fov) {
    this.pose = pose;
    this.fov = fov;
    this.distance ??= Math.max(length(pose.p), 0.1);
    this.changed();
  }

  // Turn about the point of the axis that is nearest to a place.
  aim(place) {
    const ahead = dot(sub(place, this.pose.p), column(this.pose.r, 2));
    this.distance = clamp(ahead, 0.05, 50);
  }

  get target() { return add(this.pose.p, scaled(column(this.pose.r, 2), this.distance)); }

  orbit(right, down) {
    this.flight = null;
    const target = this.target;
    let r = turnedPose(this.pose.r, this.up, -right);
    const lower = turnedPose(r, column(r, 0), -down);
    const before = Math.abs(dot(column(r, 2), this.up));
    const after = Math.abs(dot(column(lower, 2), this.up));
    if (after < POLE || after < before) r = lower;
    this.set({r, p: sub(target, scaled(column(r, 2), this.distance))});
  }

  // Turn where one stands.
  turn(right, down) {
    this.flight = null;
    let r = turnedPose(this.pose.r, this.up, right);
    const lower = turnedPose(r, column(r, 0), down);
    if (Math.abs(dot(column(lower, 2), this.up)) < POLE) r = lower;
    this.set({r, p: this.pose.p});
  }

  // Shift by parts of the picture's height.
  pan(right, down) {
    this.flight = null;
    const size = 2 * this.distance * Math.tan(this.fov * Math.PI / 360);
    const {r, p} = this.pose;
    const shift = add(scaled(column(r, 0), -right * size), scaled(column(r, 1), -down * size));
    this.set({r, p: add(p, shift)});
  }

  dolly(factor) {
    this.flight = null;
    const target = this.target;
    this.distance = clamp(this.distance * factor, 0.02, 200);
    this.set({r: this.pose.r, p: sub(target, scaled(column(this.pose.r, 2), this.distance))});
  }

  // Fly along right, down, forward by lengths in scene units.
  move(right, down, forward) {
    this.flight = null;
    const {r, p} = this.pose;
    const shift = [right, down, forward].reduce(
      (sum, step, i) => add(sum, scaled(column(r, i), step)), [0, 0, 0]);
    this.set({r, p: add(p, shift)});
  }

  // Look at a place from where one stands, level.
  face(place, now) {
    const forward = sub(place, this.pose.p);
    const right = cross(unit(forward), this.up);
    if (length(right) < 1e-3) return;
    this.flyTo({r: squared(right, forward), p: this.pose.p}, this.fov, now, 300);
    this.flight.distance = length(forward);
  }

  flyTo(pose, fov, now, time = 700) {
    this.flight = {from: this.pose, to: pose, fovs: [this.fov, fov], start: now, time,
      turns: [quaternion(this.pose.r), quaternion(pose.r)], distance: null};
    this.changed();
    return new Promise((arrived) => { this.flight.arrived = arrived; });
  }

  // Go on with a flight; whether it lasts.
  advance(now) {
    if (!this.flight) return false;
    const {from, to, fovs, start, time, turns, distance, arrived} = this.flight;
    const part = clamp((now - start) / time, 0, 1);
    const s = part * part * (3 - 2 * part);
    const p = mix(from.p, to.p, s);
    const fov = fovs[0] + (fovs[1] - fovs[0]) * s;
    if (part < 1) {
      this.set({r: rotation(slerp(turns[0], turns[1], s)), p}, fov);
      return true;
    }
    this.flight = null;
    this.set(to, fovs[1]);
    if (distance) this.distance = clamp(distance, 0.05, 50);
    else this.aim([0, 0, 0]);
    arrived();
    return false;
  }
}

