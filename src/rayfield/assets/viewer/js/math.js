// Vectors are arrays of 3. A pose {r, p} is scene_from_camera: r nine numbers row by row, whose
// columns are the camera's right, down and forward; p the place of the lens.

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scaled = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const length = (a) => Math.hypot(a[0], a[1], a[2]);
export const unit = (a) => scaled(a, 1 / Math.max(length(a), 1e-12));
export const mix = (a, b, s) => a.map((x, i) => x + (b[i] - x) * s);
export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
export const radians = (degrees) => degrees * Math.PI / 180;

export const column = (r, i) => [r[i], r[3 + i], r[6 + i]];
export const ofColumns = (x, y, z) => [x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]];
export const times = (r, v) => [
  r[0] * v[0] + r[1] * v[1] + r[2] * v[2],
  r[3] * v[0] + r[4] * v[1] + r[5] * v[2],
  r[6] * v[0] + r[7] * v[1] + r[8] * v[2]];
export const transposed = (r) => [r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]];

export const poseOf = (rows) => ({
  r: [rows[0], rows[1], rows[2], rows[4], rows[5], rows[6], rows[8], rows[9], rows[10]],
  p: [rows[3], rows[7], rows[11]]});
export const rowsOf = ({r, p}) => [
  r[0], r[1], r[2], p[0], r[3], r[4], r[5], p[1], r[6], r[7], r[8], p[2]];

// A vector turned about a unit axis (Rodrigues).
export function turned(v, axis, angle) {
  const c = Math.cos(angle), s = Math.sin(angle);
  return add(add(scaled(v, c), scaled(cross(axis, v), s)), scaled(axis, dot(axis, v) * (1 - c)));
}

export function turnedPose(r, axis, angle) {
  const [x, , z] = [0, 1, 2].map((i) => turned(column(r, i), axis, angle));
  return squared(x, z);
}

// Axes at right angles from a right and a forward that nearly are.
export function squared(right, forward) {
  const z = unit(forward);
  const x = unit(sub(right, scaled(z, dot(right, z))));
  return ofColumns(x, cross(z, x), z);
}

export function quaternion(r) {
  const trace = r[0] + r[4] + r[8];
  const pick = [trace, r[0], r[4], r[8]];
  const i = pick.indexOf(Math.max(...pick));
  let q;
  if (i === 0) q = [1 + trace, r[7] - r[5], r[2] - r[6], r[3] - r[1]];
  else if (i === 1) q = [r[7] - r[5], 1 + r[0] - r[4] - r[8], r[1] + r[3], r[2] + r[6]];
  else if (i === 2) q = [r[2] - r[6], r[1] + r[3], 1 - r[0] + r[4] - r[8], r[5] + r[7]];
  else q = [r[3] - r[1], r[2] + r[6], r[5] + r[7], 1 - r[0] - r[4] + r[8]];
  return normalised(q);
}

export function normalised(q) {
  const n = Math.hypot(...q) || 1;
  return q.map((x) => x / n);
}

export function rotation([w, x, y, z]) {
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
    2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
    2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)];
}

export function slerp(a, b, s) {
  let cosine = a.reduce((sum, x, i) => sum + x * b[i], 0);
  if (cosine < 0) { b = b.map((x) => -x); cosine = -cosine; }
  if (cosine > 0.9995) return normalised(mix(a, b, s));
  const angle = Math.acos(cosine);
  return normalised(a.map((x, i) =>
    (Math.sin((1 - s) * angle) * x + Math.sin(s * angle) * b[i]) / Math.sin(angle)));
}

// Clip space from the scene, column by column, for the vertical angle of view in degrees.
export function projection({r, p}, fov, aspect, near = 0.01, far = 4000) {
  const f = 1 / Math.tan(radians(fov) / 2), g = f / aspect;
  const [x, y, z] = [0, 1, 2].map((i) => column(r, i));
  const a = (far + near) / (far - near), b = -2 * far * near / (far - near);
  const rows = [
    [...scaled(x, g), -g * dot(x, p)],
    [...scaled(y, -f), f * dot(y, p)],
    [...scaled(z, a), -a * dot(z, p) + b],
    [...z, -dot(z, p)]];
  const out = new Float32Array(16);
  rows.forEach((row, i) => row.forEach((value, j) => { out[4 * j + i] = value; }));
  return out;
}

// [x, y, w]: pixels from the upper left corner; w <= 0 is behind the lens.
export function onScreen(matrix, [x, y, z], width, height) {
  const at = (i) => matrix[i] * x + matrix[4 + i] * y + matrix[8 + i] * z + matrix[12 + i];
  const w = at(3);
  return [(0.5 + 0.5 * at(0) / w) * width, (0.5 - 0.5 * at(1) / w) * height, w];
}
