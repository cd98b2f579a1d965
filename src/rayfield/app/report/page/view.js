// A mesh that can be turned: WebGL 2 and nothing else. Reads the GLB files that rayfield writes.
"use strict";

const GLB = (() => {
  const SIZES = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };
  const KINDS = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };

  function array(document, binary, index) {
    const accessor = document.accessors[index];
    const view = document.bufferViews[accessor.bufferView];
    const start = binary.byteOffset + (view.byteOffset || 0) + (accessor.byteOffset || 0);
    const length = accessor.count * SIZES[accessor.type];
    return new KINDS[accessor.componentType](binary.buffer, start, length);
  }

  // Positions, faces, and what there is of normals, colours (linear light) and texture; y is up.
  function parse(bytes) {
    const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (head.getUint32(0, true) !== 0x46546c67) throw new Error("this is no GLB file");
    const length = head.getUint32(12, true);
    const text = new TextDecoder().decode(bytes.subarray(20, 20 + length));
    const document = JSON.parse(text);
    const binary = bytes.subarray(28 + length);
    const primitive = document.meshes[0].primitives[0];
    const named = (name) =>
      name in primitive.attributes ? array(document, binary, primitive.attributes[name]) : null;
    const mesh = {
      positions: named("POSITION"),
      normals: named("NORMAL"),
      colors: named("COLOR_0"),
      coordinates: named("TEXCOORD_0"),
      faces: array(document, binary, primitive.indices),
      shift: document.nodes[0].translation || [0, 0, 0],
      picture: null,
    };
    if (document.images && document.images.length) {
      const view = document.bufferViews[document.images[0].bufferView];
      const start = view.byteOffset || 0;
      mesh.picture = binary.slice(start, start + view.byteLength);
    }
    return mesh;
  }

  return { parse };
})();

const FOCAL = 2.4; // of a picture that is 2 high
const FILLED = 0.9; // of the picture, by what is looked at

const Vector = {
  sub: (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]],
  add: (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]],
  times: (a, s) => [a[0] * s, a[1] * s, a[2] * s],
  dot: (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2],
  cross: (a, b) => [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ],
  unit: (a) => {
    const length = Math.hypot(...a) || 1;
    return [a[0] / length, a[1] / length, a[2] / length];
  },
};

const SHADERS = {
  surface: [
    `#version 300 es
    in vec3 position; in vec3 normal; in vec3 color; in vec2 coordinates;
    uniform mat4 view; out vec3 n; out vec3 c; out vec2 uv;
    void main() { n = normal; c = color; uv = coordinates; gl_Position = view * vec4(position, 1.0); }`,
    `#version 300 es
    precision highp float;
    in vec3 n; in vec3 c; in vec2 uv; out vec4 shown;
    uniform sampler2D picture; uniform int mode; uniform bool pictured; uniform vec3 eye; uniform vec3 up;
    vec3 srgb(vec3 x) { return mix(12.92 * x, 1.055 * pow(max(x, 0.0), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, x)); }
    void main() {
      vec3 m = normalize(gl_FrontFacing ? n : -n);
      vec3 side = normalize(cross(up, eye));
      float key = max(0.0, dot(m, normalize(eye + 0.7 * up - 0.5 * side)));
      float fill = max(0.0, dot(m, normalize(eye + 0.8 * side)));
      float sky = 0.5 + 0.5 * dot(m, up);
      if (mode == 2) { shown = vec4(0.5 + 0.5 * m, 1.0); return; }
      if (mode == 1) {
        shown = vec4(srgb(vec3(0.60, 0.57, 0.53) * (0.28 * sky + 0.14 + 0.62 * key + 0.16 * fill)), 1.0);
        return;
      }
      vec3 base = pictured ? texture(picture, uv).rgb : srgb(c);
      shown = vec4(base * (0.88 + 0.12 * key), 1.0);
    }`,
  ],
  lines: [
    `#version 300 es
    in vec3 position; uniform mat4 view; void main() { gl_Position = view * vec4(position, 1.0); }`,
    `#version 300 es
    precision mediump float; uniform vec4 color; out vec4 shown; void main() { shown = color; }`,
  ],
};

class MeshView {
  // options: up, away (unit vectors of the mesh's frame: upwards, and from its middle to the eye),
  // groups (lines of cameras, [{color, segments}]), frame (a box [low, high] to look at)
  constructor(canvas, bytes, options = {}) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("this browser draws no WebGL 2");
    this.mesh = GLB.parse(bytes);
    this.up = Vector.unit(options.up || [0, 1, 0]);
    this.mode = this.mesh.colors || this.mesh.picture ? 0 : 1;
    this.wires = false;
    this.cameras = false;
    this._programs();
    this._surface();
    this._lines(options.groups || []);
    this._home(options.away || [0.7, 0.35, 1]);
    this._listen();
    this.reset();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  static get modes() {
    return ["colours", "clay", "normals"];
  }

  _programs() {
    const gl = this.gl;
    this.programs = {};
    for (const [name, sources] of Object.entries(SHADERS)) {
      const program = gl.createProgram();
      [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((kind, index) => {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, sources[index]);
        gl.compileShader(shader);
        if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
        gl.attachShader(program, shader);
      });
      gl.bindAttribLocation(program, 0, "position");
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
      this.programs[name] = program;
    }
  }

  _attribute(name, data, size, normalized = false) {
    const gl = this.gl;
    const place = gl.getAttribLocation(this.programs.surface, name);
    if (place < 0) return;
    if (!data) {
      gl.vertexAttrib3f(place, 0, 0, 1);
      return;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    const kind = data instanceof Float32Array ? gl.FLOAT : data instanceof Uint16Array ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE;
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, kind, normalized, 0, 0);
  }

  _surface() {
    const { gl, mesh } = this;
    if (!mesh.normals) mesh.normals = this._normals();
    this.surface = gl.createVertexArray();
    gl.bindVertexArray(this.surface);
    this._attribute("position", mesh.positions, 3);
    this._attribute("normal", mesh.normals, 3);
    this._attribute("coordinates", mesh.coordinates, 2);
    if (mesh.colors) {
      const width = mesh.colors.length / (mesh.positions.length / 3);
      this._attribute("color", mesh.colors, width, !(mesh.colors instanceof Float32Array));
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.faces, gl.STATIC_DRAW);
    this.kind = mesh.faces instanceof Uint32Array ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    gl.bindVertexArray(null);
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array([200, 200, 200, 255]));
    this.ready = mesh.picture ? this._picture(mesh.picture) : Promise.resolve();
  }

  async _picture(bytes) {
    const gl = this.gl;
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    this.draw();
  }

  _normals() {
    const { positions, faces } = this.mesh;
    const normals = new Float32Array(positions.length);
    const at = (index) => [positions[3 * index], positions[3 * index + 1], positions[3 * index + 2]];
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [at(faces[f]), at(faces[f + 1]), at(faces[f + 2])];
      const n = Vector.cross(Vector.sub(b, a), Vector.sub(c, a));
      for (let k = 0; k < 3; k++) for (let axis = 0; axis < 3; axis++) normals[3 * faces[f + k] + axis] += n[axis];
    }
    return normals;
  }

  _segments(points) {
    const gl = this.gl;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    gl.bindVertexArray(null);
    return { array, count: points.length / 3 };
  }

  _lines(groups) {
    this.groups = groups.map(({ color, segments }) => {
      const points = new Float32Array(segments);
      for (let i = 0; i < points.length; i++) points[i] -= this.mesh.shift[i % 3];
      return { color, points, ...this._segments(points) };
    });
  }

  _wires() {
    if (this.net) return this.net;
    const { positions, faces } = this.mesh;
    const points = new Float32Array(faces.length * 6);
    let at = 0;
    for (let f = 0; f < faces.length; f += 3) {
      for (let k = 0; k < 3; k++) {
        for (const corner of [faces[f + k], faces[f + ((k + 1) % 3)]]) {
          points.set(positions.subarray(3 * corner, 3 * corner + 3), at);
          at += 3;
        }
      }
    }
    this.net = this._segments(points);
    return this.net;
  }

  // The middle and half the extent of some points.
  static bounds(lists) {
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    for (const points of lists) {
      for (let i = 0; i < points.length; i++) {
        low[i % 3] = Math.min(low[i % 3], points[i]);
        high[i % 3] = Math.max(high[i % 3], points[i]);
      }
    }
    const middle = Vector.times(Vector.add(low, high), 0.5);
    return { middle, radius: 0.5 * Math.hypot(...Vector.sub(high, low)) || 1 };
  }

  _home(away) {
    this.bounds = MeshView.bounds([this.mesh.positions]);
    this.whole = MeshView.bounds([this.mesh.positions, ...this.groups.map((group) => group.points)]);
    let across = Vector.cross(this.up, away);
    if (Math.hypot(...across) < 1e-3) across = Vector.cross(this.up, [1, 0.3, 0.2]);
    this.side = Vector.unit(across);
    this.front = Vector.cross(this.side, this.up);
    this.tilt = Math.asin(Math.max(-0.95, Math.min(0.95, Vector.dot(Vector.unit(away), this.up))));
  }

  reset() {
    this.azimuth = 0;
    this.elevation = this.tilt;
    this.target = [...this.bounds.middle];
    const lists = this.cameras ? this.groups.map((group) => group.points) : [];
    this.distance = this._fitting([this.mesh.positions, ...lists]);
    this.draw();
  }

  // From how far everything is seen, however it is turned about the upright axis.
  _fitting(lists) {
    const aspect = (this.canvas.clientWidth || 1) / (this.canvas.clientHeight || 1);
    const [sine, cosine] = [Math.sin(this.tilt), Math.cos(this.tilt)];
    const high = (FOCAL * Math.min(aspect, 1)) / FILLED;
    const wide = high / aspect;
    let far = 0;
    for (const points of lists) {
      const step = 3 * Math.max(1, Math.floor(points.length / 3 / 5000));
      for (let i = 0; i < points.length; i += step) {
        const away = Vector.sub([points[i], points[i + 1], points[i + 2]], this.target);
        const up = Vector.dot(away, this.up);
        const level = Math.sqrt(Math.max(0, Vector.dot(away, away) - up * up));
        far = Math.max(far, up * sine + wide * level);
        for (const front of [level, -level]) {
          far = Math.max(far, front * cosine + up * sine + high * Math.abs(up * cosine - front * sine));
        }
      }
    }
    return far || 1;
  }

  _eye() {
    const level = Math.cos(this.elevation);
    const around = Vector.add(
      Vector.times(this.front, level * Math.cos(this.azimuth)),
      Vector.times(this.side, level * Math.sin(this.azimuth)),
    );
    return Vector.add(around, Vector.times(this.up, Math.sin(this.elevation)));
  }

  _axes() {
    const back = Vector.unit(this._eye());
    const right = Vector.unit(Vector.cross(this.up, back));
    return { back, right, top: Vector.cross(back, right) };
  }

  _matrix(aspect) {
    const { back, right, top } = this._axes();
    const eye = Vector.add(this.target, Vector.times(back, this.distance));
    const reach = this.distance + 2 * this.whole.radius + Math.hypot(...Vector.sub(this.target, this.whole.middle));
    const near = Math.max(this.distance * 0.02, reach * 1e-4);
    const far = reach * 2;
    const scale = Math.min(aspect, 1);
    const rows = [right, top, back].map((axis) => [...axis, -Vector.dot(axis, eye)]);
    const depth = (far + near) / (near - far);
    const columns = [];
    for (let c = 0; c < 4; c++) {
      const [x, y, z] = rows.map((row) => row[c]);
      columns.push(((FOCAL * scale) / aspect) * x, FOCAL * scale * y);
      columns.push(depth * z + (c === 3 ? (2 * far * near) / (near - far) : 0), -z);
    }
    return columns;
  }

  draw() {
    const { gl, canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.POLYGON_OFFSET_FILL);
    gl.polygonOffset(1, 1);
    const matrix = this._matrix(width / height);
    const shader = this.programs.surface;
    const place = (name) => gl.getUniformLocation(shader, name);
    gl.useProgram(shader);
    gl.uniformMatrix4fv(place("view"), false, matrix);
    gl.uniform1i(place("mode"), this.mode);
    gl.uniform1i(place("pictured"), this.mesh.picture ? 1 : 0);
    gl.uniform3fv(place("eye"), this._axes().back);
    gl.uniform3fv(place("up"), this.up);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.bindVertexArray(this.surface);
    gl.drawElements(gl.TRIANGLES, this.mesh.faces.length, this.kind, 0);
    gl.useProgram(this.programs.lines);
    gl.uniformMatrix4fv(gl.getUniformLocation(this.programs.lines, "view"), false, matrix);
    if (this.wires) this._stroke(this._wires(), [0.1, 0.14, 0.2, 0.45]);
    if (this.cameras) for (const group of this.groups) this._stroke(group, group.color);
    gl.bindVertexArray(null);
  }

  _stroke(lines, color) {
    const gl = this.gl;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniform4fv(gl.getUniformLocation(this.programs.lines, "color"), color);
    gl.bindVertexArray(lines.array);
    gl.drawArrays(gl.LINES, 0, lines.count);
    gl.disable(gl.BLEND);
  }

  turn(x, y) {
    this.azimuth -= x;
    this.elevation = Math.max(-1.55, Math.min(1.55, this.elevation + y));
    this.draw();
  }

  move(x, y) {
    const { right, top } = this._axes();
    const step = this.distance * 0.8;
    this.target = Vector.add(this.target, Vector.add(Vector.times(right, -x * step), Vector.times(top, y * step)));
    this.draw();
  }

  zoom(factor) {
    this.distance = Math.max(this.bounds.radius * 0.05, Math.min(this.whole.radius * 20, this.distance * factor));
    this.draw();
  }

  _listen() {
    const { canvas } = this;
    const fingers = new Map();
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
    };
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (event) => {
      this.touched = true;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      try {
        canvas.setPointerCapture(event.pointerId);
      } catch {
        // a pointer that is gone already
      }
      canvas.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const size = canvas.clientHeight || 1;
      const old = fingers.size === 2 ? spread() : null;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (old) {
        const now = spread();
        this.zoom(old.apart / Math.max(now.apart, 1));
        this.move((now.x - old.x) / size, (now.y - old.y) / size);
        return;
      }
      const [x, y] = [(event.clientX - before[0]) / size, (event.clientY - before[1]) / size];
      if (event.shiftKey || event.buttons === 2 || event.buttons === 4) this.move(x, y);
      else this.turn(4 * x, 4 * y);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener(
      "wheel",
      (event) => {
        // the page scrolls on unless the view was touched before
        if (document.activeElement !== canvas) return;
        event.preventDefault();
        this.zoom(Math.exp(0.0012 * event.deltaY));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const keys = {
        ArrowLeft: () => this.turn(-0.12, 0),
        ArrowRight: () => this.turn(0.12, 0),
        ArrowUp: () => this.turn(0, 0.12),
        ArrowDown: () => this.turn(0, -0.12),
        "+": () => this.zoom(0.9),
        "-": () => this.zoom(1.1),
        Home: () => this.reset(),
      };
      if (!(event.key in keys)) return;
      event.preventDefault();
      this.touched = true;
      keys[event.key]();
    });
  }
}
