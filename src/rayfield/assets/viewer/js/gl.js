// The little of WebGL 2 that all layers share.

export function context(canvas) {
  return canvas.getContext("webgl2", {antialias: true, alpha: false, powerPreference: "high-performance"});
}

export class Program {
  constructor(gl, vertex, fragment) {
    this.gl = gl;
    this.program = gl.createProgram();
    const head = "#version 300 es\nprecision highp float;\nprecision highp int;\nprecision highp sampler2DArray;\n";
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, head + source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(gl.getShaderInfoLog(shader));
      }
      gl.attachShader(this.program, shader);
    }
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getProgramInfoLog(this.program));
    }
    this.places = {};
  }

  // Use it with these uniforms: numbers, or lists of 2, 3, 4, 9 or 16 of them.
  use(uniforms) {
    const gl = this.gl;
    gl.useProgram(this.program);
    for (const [name, value] of Object.entries(uniforms)) {
      this.places[name] ??= gl.getUniformLocation(this.program, name);
      const at = this.places[name];
      if (typeof value === "number") gl.uniform1f(at, value);
      else if (value.length === 2) gl.uniform2fv(at, value);
      else if (value.length === 3) gl.uniform3fv(at, value);
      else if (value.length === 4) gl.uniform4fv(at, value);
      else if (value.length === 9) gl.uniformMatrix3fv(at, true, value);
      else gl.uniformMatrix4fv(at, false, value);
    }
  }

  // The texture of a sampler, in a slot of its own.
  texture(name, slot, kind, texture) {
    const gl = this.gl;
    this.places[name] ??= gl.getUniformLocation(this.program, name);
    gl.activeTexture(gl.TEXTURE0 + slot);
    gl.bindTexture(kind, texture);
    gl.uniform1i(this.places[name], slot);
  }
}

// Float attributes that follow each other in one buffer, `sizes` numbers each; per instance.
export class Instances {
  constructor(gl, sizes) {
    this.gl = gl;
    this.width = sizes.reduce((a, b) => a + b);
    this.array = gl.createVertexArray();
    this.buffer = gl.createBuffer();
    this.count = 0;
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    let offset = 0;
    sizes.forEach((size, i) => {
      gl.enableVertexAttribArray(i);
      gl.vertexAttribPointer(i, size, gl.FLOAT, false, 4 * this.width, 4 * offset);
      gl.vertexAttribDivisor(i, 1);
      offset += size;
    });
    gl.bindVertexArray(null);
  }

  fill(numbers) {
    const gl = this.gl;
    this.count = numbers.length / this.width;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(numbers), gl.DYNAMIC_DRAW);
  }

  draw(vertices) {
    if (!this.count) return;
    this.gl.bindVertexArray(this.array);
    this.gl.drawArraysInstanced(this.gl.TRIANGLES, 0, vertices, this.count);
    this.gl.bindVertexArray(null);
  }
}

export function smooth(gl, kind, mipmaps = false) {
  gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, mipmaps ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
  gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(kind, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(kind, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}
