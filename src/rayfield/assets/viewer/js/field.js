// The newest picture of the field. Seen from where it was made it is shown as it is; from anywhere
// else it is bent to its depths until a newer one comes, so that turning stays smooth. Its depths
// also hide what is behind.
import {Program, smooth} from "./gl.js";
import {poseOf, radians, transposed} from "./math.js";

const FAR_VERTEX = `
out vec2 at;
void main() {
  at = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(at, 0.0, 1.0);
}`;
const FAR_FRAGMENT = `
in vec2 at;
out vec4 color;
uniform sampler2D picture;
uniform mat3 turn;  // from the eye's axes to those of the picture
uniform vec2 eye, lens;  // half of the picture's width and height in the plane z = 1
uniform vec3 background;
void main() {
  vec3 d = turn * vec3(at.x * eye.x, -at.y * eye.y, 1.0);
  vec2 uv = 0.5 + 0.5 * d.xy / (d.z * lens);
  bool inside = d.z > 0.0 && uv == clamp(uv, 0.0, 1.0);
  color = vec4(inside ? texture(picture, uv).rgb : background, 1.0);
}`;
const NEAR_VERTEX = `
uniform highp sampler2D depth;
uniform mat4 project;
uniform mat3 axes;
uniform vec3 place;
uniform vec2 lens, grid;
out vec2 uv;
out float torn;
float at(ivec2 cell) { return texelFetch(depth, clamp(cell, ivec2(0), ivec2(grid) - 1), 0).r; }
void main() {
  ivec2 cell = ivec2(gl_VertexID % int(grid.x), gl_VertexID / int(grid.x));
  uv = vec2(cell) / (grid - 1.0);
  float t = at(cell);
  float least = t, most = t;
  for (int i = 0; i < 4; i++) {
    float other = at(cell + ivec2(i == 0 ? 1 : i == 1 ? -1 : 0, i == 2 ? 1 : i == 3 ? -1 : 0));
    least = min(least, other); most = max(most, other);
  }
  torn = t <= 0.0 || most > 1.25 * least ? 1.0 : 0.0;
  vec3 d = normalize(vec3((2.0 * uv - 1.0) * lens, 1.0));
  gl_Position = project * vec4(place + axes * (d * t), 1.0);
}`;
const NEAR_FRAGMENT = `
in vec2 uv;
in float torn;
out vec4 color;
uniform sampler2D picture;
uniform float tear;
void main() {
  if (torn > tear) discard;
  color = vec4(texture(picture, uv).rgb, 1.0);
}`;

export class FieldLayer {
  constructor(gl) {
    this.gl = gl;
    this.far = new Program(gl, FAR_VERTEX, FAR_FRAGMENT);
    this.near = new Program(gl, NEAR_VERTEX, NEAR_FRAGMENT);
    this.empty = gl.createVertexArray();
    this.grid = gl.createVertexArray();
    this.index = gl.createBuffer();
    gl.bindVertexArray(this.grid);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.index);
    gl.bindVertexArray(null);
    this.picture = gl.createTexture();
    this.depth = gl.createTexture();
    this.about = null;
    this.size = [0, 0];
  }

  show(about, bitmap, depth) {
    const gl = this.gl, [width, height] = about.depth;
    gl.bindTexture(gl.TEXTURE_2D, this.picture);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, bitmap);
    smooth(gl, gl.TEXTURE_2D);
    gl.bindTexture(gl.TEXTURE_2D, this.depth);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16F, width, height, 0, gl.RED, gl.HALF_FLOAT, depth);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    bitmap.close();
    if (this.size[0] !== width || this.size[1] !== height) this.weave(width, height);
    const up = Math.tan(radians(about.fov) / 2);
    this.about = {...about, pose: poseOf(about.pose), lens: [up * about.aspect, up], values: depth};
  }

  // Two triangles for every four neighbours.
  weave(width, height) {
    const gl = this.gl, cells = new Uint32Array(6 * (width - 1) * (height - 1));
    let n = 0;
    for (let row = 0; row + 1 < height; row++) {
      for (let i = row * width; i + 1 < (row + 1) * width; i++) {
        cells.set([i, i + 1, i + width, i + 1, i + width + 1, i + width], n);
        n += 6;
      }
    }
    gl.bindVertexArray(this.grid);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, cells, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    this.size = [width, height];
    this.count = n;
  }

  // `still`: the picture was made from here.
  draw(eye, {aspect, project, background, bounded, still}) {
    if (!this.about) return;
    const gl = this.gl, {pose, lens} = this.about;
    const up = Math.tan(radians(eye.fov) / 2);
    if (still || !bounded) {
      gl.disable(gl.DEPTH_TEST);
      const turn = product(transposed(pose.r), eye.pose.r);
      this.far.use({turn, eye: [up * aspect, up], lens, background});
      this.far.texture("picture", 0, gl.TEXTURE_2D, this.picture);
      gl.bindVertexArray(this.empty);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    gl.enable(gl.DEPTH_TEST);
    this.near.use({project, axes: pose.r, place: pose.p, lens, grid: this.size, tear: still ? 0.02 : 0.6});
    this.near.texture("picture", 0, gl.TEXTURE_2D, this.picture);
    this.near.texture("depth", 1, gl.TEXTURE_2D, this.depth);
    gl.colorMask(!still, !still, !still, true);  // the picture is there already
    gl.bindVertexArray(this.grid);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
    gl.colorMask(true, true, true, true);
  }

  // The depth at a place of the picture, in [0, 1]; 0 where nothing is seen.
  depthAt(u, v) {
    if (!this.about) return 0;
    const [width, height] = this.size;
    const i = Math.min(Math.floor(u * width), width - 1), j = Math.min(Math.floor(v * height), height - 1);
    return half(this.about.values[j * width + i]);
  }
}

function product(a, b) {
  return [0, 1, 2].flatMap((i) => [0, 1, 2].map((j) =>
    a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j]));
}

// The number in 16 bits.
function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024;
}
