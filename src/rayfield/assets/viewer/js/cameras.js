// The photos' cameras: frusta, the photos on them, and which one the pointer is over.
import {Instances, Program, smooth} from "./gl.js";
import {add, onScreen, poseOf, scaled, sub, length, times} from "./math.js";

const SIDE = 128;  // pixels of a small photo
const MOST = 256;  // small photos; of more cameras, evenly chosen ones have theirs
const AT_ONCE = 2;
const INKS = {train: [0.36, 0.56, 0.93, 0.95], test: [1, 0.66, 0.26, 0.95], val: [0.4, 0.78, 0.5, 0.95]};
const CHOSEN = [1, 0.33, 0.42, 1];

const VERTEX = `
layout(location = 0) in vec3 corner;
layout(location = 1) in vec3 across;
layout(location = 2) in vec3 down;
layout(location = 3) in float layer;
uniform mat4 project;
uniform vec3 eye;
uniform float radius;
out vec3 uv;
out float fade;
void main() {
  // two triangles of the corners 0 1 2 and 1 3 2
  int corner_of[6] = int[6](0, 1, 2, 1, 3, 2);
  int k = corner_of[gl_VertexID];
  vec2 at = vec2(k % 2, k / 2);
  uv = vec3(at, layer);
  fade = smoothstep(0.8, 1.0, distance(corner + 0.5 * (across + down), eye) / max(radius, 1e-9));
  gl_Position = project * vec4(corner + at.x * across + at.y * down, 1.0);
}`;
const SMALL = `
in vec3 uv;
in float fade;
out vec4 color;
uniform sampler2DArray photos;
void main() {
  color = texture(photos, uv) * vec4(1.0, 1.0, 1.0, fade);
  if (color.a < 0.3) discard;
}`;
const LARGE = `
in vec3 uv;
out vec4 color;
uniform sampler2D photo;
uniform vec3 background;
uniform float share;
void main() {
  vec4 seen = texture(photo, uv.xy);
  color = vec4(mix(background, seen.rgb, seen.a), share);
}`;

export class CameraLayer {
  constructor(gl, lines, cameras, changed) {
    Object.assign(this, {gl, lines, changed});
    this.cameras = cameras.map((c) => ({...c, pose: poseOf(c.pose)}));
    this.small = new Program(gl, VERTEX, SMALL);
    this.large = new Program(gl, VERTEX, LARGE);
    this.quads = new Instances(gl, [3, 3, 3, 1]);
    this.one = new Instances(gl, [3, 3, 3, 1]);
    this.layers = new Map();  // from a camera's number to that of its small photo
    this.photo = null;
    this.hovered = this.chosen = -1;
    this.size = 0.1;
    this.splits = {train: true, test: false, val: false};
  }

  visible(i) { return this.splits[this.cameras[i].split] ?? true; }

  // The four corners of a photo in the scene, `size` before its lens.
  corners(i, size = this.size) {
    const {pose, plane: [left, top, right, bottom]} = this.cameras[i];
    return [[left, top], [right, top], [right, bottom], [left, bottom]].map(([x, y]) =>
      add(pose.p, scaled(times(pose.r, [x, y, 1]), size)));
  }

  frustum(i, ink) {
    const corners = this.corners(i), {p} = this.cameras[i].pose;
    const sides = corners.flatMap((c, k) => [[p, c, ink], [c, corners[(k + 1) % 4], ink]]);
    // a small roof tells where up is
    const middle = scaled(add(corners[0], corners[1]), 0.5);
    const above = add(middle, scaled(sub(corners[0], corners[3]), 0.14));
    return [...sides, [corners[0], above, ink], [above, corners[1], ink]];
  }

  rebuild() {
    const shown = this.cameras.map((_, i) => i).filter((i) => this.visible(i));
    this.lines.set("cameras", shown.flatMap((i) => this.frustum(i, INKS[this.cameras[i].split] ?? INKS.train)));
    const marked = [...new Set([this.hovered, this.chosen])].filter((i) => i >= 0);
    this.lines.set("marked", marked.flatMap((i) => this.frustum(i, CHOSEN)));
    this.quads.fill(shown.filter((i) => this.layers.has(i)).flatMap((i) => this.quad(i, this.layers.get(i))));
    this.changed();
  }

  quad(i, layer, size = this.size) {
    const [a, b, , d] = this.corners(i, size);
    return [...a, ...sub(b, a), ...sub(d, a), layer];
  }

  // Fetch small photos, those that are shown first; how many there are.
  async load() {
    const gl = this.gl, n = this.cameras.length, step = Math.max(1, n / MOST);
    const chosen = Array.from({length: Math.min(n, MOST)}, (_, k) => Math.floor(k * step));
    this.array = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.array);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 8, gl.RGBA8, SIDE, SIDE, chosen.length);
    smooth(gl, gl.TEXTURE_2D_ARRAY, true);
    chosen.sort((a, b) => this.visible(b) - this.visible(a));
    let next = 0;
    const work = async () => {
      while (next < chosen.length) {
        const layer = next++, i = chosen[layer];
        const bitmap = await fetched(`/thumb/${i}`, {resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: "medium"});
        if (!bitmap) { if (this.layers.size) continue; return; }
        gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.array);
        gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, SIDE, SIDE, 1, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
        this.layers.set(i, layer);
        if (next % 12 === 0 || next >= chosen.length) this.refresh();
      }
    };
    await Promise.all(Array.from({length: AT_ONCE}, work));
    if (this.layers.size) this.refresh();
    return this.layers.size;
  }

  refresh() {
    this.gl.bindTexture(this.gl.TEXTURE_2D_ARRAY, this.array);
    this.gl.generateMipmap(this.gl.TEXTURE_2D_ARRAY);
    this.rebuild();
  }

  async choose(i) {
    this.chosen = i;
    this.photo = null;
    this.rebuild();
    if (i < 0) return false;
    const bitmap = await fetched(`/photo/${i}`);
    if (!bitmap || this.chosen !== i) return false;
    const gl = this.gl;
    this.photo = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.photo);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    smooth(gl, gl.TEXTURE_2D);
    this.one.fill(this.quad(i, 0, 1));
    this.changed();
    return true;
  }

  draw(project, pixels, {eye, radius, thumbs, ratio}) {
    const gl = this.gl;
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    if (thumbs && this.quads.count) {
      this.small.use({project, eye, radius});
      this.small.texture("photos", 0, gl.TEXTURE_2D_ARRAY, this.array);
      this.quads.draw(6);
    }
    this.lines.draw("cameras", project, pixels, {width: 1.1 * ratio, eye, radius});
    this.lines.draw("marked", project, pixels, {width: 2.2 * ratio, eye, radius: 0.3 * radius});
  }

  // The photo in its place, over everything.
  drawPhoto(project, background, share) {
    if (!this.photo || share <= 0) return;
    const gl = this.gl;
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.large.use({project, background, share, eye: [0, 0, 0], radius: 0});
    this.large.texture("photo", 0, gl.TEXTURE_2D, this.photo);
    this.one.draw(6);
    gl.disable(gl.BLEND);
  }

  // The nearest camera whose photo or lens is at that place of the screen; -1 for none.
  pick(x, y, {project, width, height, eye, radius}) {
    let best = -1, nearest = Infinity;
    this.cameras.forEach(({pose}, i) => {
      if (!this.visible(i)) return;
      const away = length(sub(pose.p, eye));
      if (away >= nearest || away < 0.85 * radius) return;
      const corners = this.corners(i).map((c) => onScreen(project, c, width, height));
      const lens = onScreen(project, pose.p, width, height);
      const near = lens[2] > 0.01 && Math.hypot(lens[0] - x, lens[1] - y) < 8;
      if (near || (corners.every((c) => c[2] > 0.01) && inside(x, y, corners))) { best = i; nearest = away; }
    });
    return best;
  }
}

function inside(x, y, corners) {
  const sides = corners.map(([ax, ay], k) => {
    const [bx, by] = corners[(k + 1) % 4];
    return Math.sign((bx - ax) * (y - ay) - (by - ay) * (x - ax));
  });
  return sides.every((s) => s >= 0) || sides.every((s) => s <= 0);
}

// A picture of the server, straight alpha; null where there is none.
async function fetched(path, options = {}) {
  const answer = await fetch(path).catch(() => null);
  if (answer?.status !== 200) return null;  // 204: there is no such photo
  return createImageBitmap(await answer.blob(), {premultiplyAlpha: "none", ...options});
}
