// A mesh, lit from where one looks.
import {Program} from "./gl.js";
import {unpacked} from "./link.js";

const VERTEX = `
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 ink;
uniform mat4 project;
out vec3 shade, facing, here;
void main() {
  shade = ink; facing = normal; here = place;
  gl_Position = project * vec4(place, 1.0);
}`;
const FRAGMENT = `
in vec3 shade, facing, here;
out vec4 color;
uniform vec3 eye;
uniform float relief;  // how much of the light depends on the slope
void main() {
  float light = abs(dot(normalize(facing), normalize(eye - here)));
  color = vec4(shade * mix(1.0, 0.35 + 0.65 * light, relief), 1.0);
}`;

export class MeshLayer {
  constructor(gl) {
    this.gl = gl;
    this.program = new Program(gl, VERTEX, FRAGMENT);
    this.count = 0;
  }

  // Fetch it; how many faces it has, 0 if there is none.
  async load() {
    const answer = await fetch("/mesh").catch(() => null);
    if (!answer?.ok) return 0;
    const buffer = await answer.arrayBuffer();
    const {about, start} = unpacked(buffer);
    const v = about.vertices, body = buffer.slice(start);
    const gl = this.gl;
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    const attribute = (index, kind, normalized, stride, offset, bytes) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Uint8Array(body, offset, bytes), gl.STATIC_DRAW);
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, 3, kind, normalized, stride, 0);
    };
    attribute(0, gl.FLOAT, false, 12, 0, 12 * v);
    attribute(1, gl.BYTE, true, 4, 12 * v, 4 * v);
    attribute(2, gl.UNSIGNED_BYTE, true, 4, 16 * v, 4 * v);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint8Array(body, 20 * v, 12 * about.faces), gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    this.count = 3 * about.faces;
    this.relief = about.colored ? 0.45 : 1;
    return about.faces;
  }

  draw(project, eye) {
    if (!this.count) return;
    const gl = this.gl;
    gl.enable(gl.DEPTH_TEST);
    this.program.use({project, eye, relief: this.relief});
    gl.bindVertexArray(this.array);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
  }
}
