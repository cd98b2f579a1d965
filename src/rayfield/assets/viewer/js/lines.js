// Lines of any width, in the scene: each is two triangles that face the screen.
import {Instances, Program} from "./gl.js";

const VERTEX = `
layout(location = 0) in vec3 from;
layout(location = 1) in vec3 to;
layout(location = 2) in vec4 ink;
uniform mat4 project;
uniform vec2 pixels;
uniform float width, radius;
uniform vec3 eye;
out vec4 shade;
const float NEAR = 0.005;
void main() {
  vec4 a = project * vec4(from, 1.0), b = project * vec4(to, 1.0);
  if (a.w < NEAR) a = mix(a, b, (NEAR - a.w) / (b.w - a.w));
  else if (b.w < NEAR) b = mix(b, a, (NEAR - b.w) / (a.w - b.w));
  vec2 along = (b.xy / b.w - a.xy / a.w) * pixels;
  along = length(along) > 1e-6 ? normalize(along) : vec2(1.0, 0.0);
  bool end = gl_VertexID % 2 == 1;
  float side = gl_VertexID == 0 || gl_VertexID == 1 || gl_VertexID == 3 ? 1.0 : -1.0;
  vec4 here = end ? b : a;
  here.xy += side * width * vec2(-along.y, along.x) / pixels * here.w;
  here.z -= 1e-4 * here.w;
  gl_Position = a.w < NEAR && b.w < NEAR ? vec4(2.0, 2.0, 2.0, 1.0) : here;
  // what is near the eye would only be in the way
  float away = min(distance(from, eye), distance(to, eye)) / max(radius, 1e-9);
  shade = vec4(ink.rgb, ink.a * smoothstep(0.8, 1.0, away));
}`;
const FRAGMENT = `
in vec4 shade;
out vec4 color;
void main() { color = shade; }`;

export class LineLayer {
  constructor(gl) {
    this.gl = gl;
    this.program = new Program(gl, VERTEX, FRAGMENT);
    this.sets = new Map();
  }

  // Name a set of lines: [from, to, colour] each, colours of four numbers.
  set(name, lines) {
    if (!this.sets.has(name)) this.sets.set(name, new Instances(this.gl, [3, 3, 4]));
    this.sets.get(name).fill(lines.flatMap(([a, b, ink]) => [...a, ...b, ...ink]));
  }

  // Lines nearer to `eye` than `radius` fade.
  draw(name, project, pixels, {width, eye = [0, 0, 0], radius = 0}) {
    const set = this.sets.get(name);
    if (!set?.count) return;
    const gl = this.gl;
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.program.use({project, pixels, width, eye, radius});
    set.draw(6);
    gl.disable(gl.BLEND);
  }
}

export function box(low, high, ink) {
  const at = (bits) => [0, 1, 2].map((i) => (bits >> i & 1 ? high[i] : low[i]));
  const lines = [];
  for (let corner = 0; corner < 8; corner++) {
    for (let axis = 0; axis < 3; axis++) {
      if (!(corner >> axis & 1)) lines.push([at(corner), at(corner | 1 << axis), ink]);
    }
  }
  return lines;
}
