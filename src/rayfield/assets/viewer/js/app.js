// The page: asks the server for pictures from wherever one looks, and draws all else over them.
import {CameraLayer} from "./cameras.js";
import {Control} from "./control.js";
import {Eye} from "./eye.js";
import {FieldLayer} from "./field.js";
import {Keeping} from "./keeping.js";
import {box, LineLayer} from "./lines.js";
import {Link} from "./link.js";
import {add, poseOf, projection, radians, rowsOf, scaled, times, unit} from "./math.js";
import {MeshLayer} from "./mesh.js";
import {at, choice, cropSliders, legend, modes, state, toast} from "./panel.js";
import {CameraPath} from "./path.js";
import {Training} from "./training.js";
import {Visits} from "./visits.js";

const ASK = 30;  // ms between wishes
const BACKGROUNDS = {white: [1, 1, 1], grey: [0.72, 0.74, 0.77], black: [0, 0, 0]};
const CROP_INK = [0.43, 0.66, 1, 0.9];

export class App {
  constructor(stage, gl) {
    Object.assign(this, {stage, gl, canvas: gl.canvas, mode: "color", number: 0, asked: 0, dirty: true});
    this.awake = false;
    this.lines = new LineLayer(gl);
    this.field = new FieldLayer(gl);
    this.mesh = new MeshLayer(gl);
    const wake = () => this.wake();
    this.cameras = new CameraLayer(gl, this.lines, stage.cameras, wake);
    this.path = new CameraPath(this.lines, wake);
    this.eye = new Eye({pose: poseOf(stage.home.pose), fov: this.homeFov()}, stage.up, () => this.moved());
    this.background = stage.background[0] ? "white" : "black";
    this.link = new Link({
      opened: () => this.opened(), closed: (event, before) => this.closed(before), text: (about) => this.hear(about),
      frame: (about, bitmap, depth) => this.frame(about, bitmap, depth),
      still: (about, blob) => this.keeping.still(about, blob)});
    this.keeping = new Keeping(this);
    this.training = new Training(stage, this.link);
    this.control = new Control(this.canvas, this.eye, {
      click: (x, y) => this.click(x, y), twice: (x, y) => this.aim(x, y), hover: (x, y) => this.hover(x, y),
      key: (name) => this.key(name), wake});
    this.visits = new Visits(this);
    this.furnish();
    new ResizeObserver(() => this.moved()).observe(this.canvas);
  }

  // The photos' angle of view; of a place, no wider than they are: beyond is what nobody has seen.
  homeFov() {
    const {fov, aspect, bounded} = {...this.stage, fov: this.stage.home.fov};
    const [w, h] = this.size(), up = Math.tan(radians(fov) / 2);
    const fitting = bounded ? Math.max(1, aspect * h / w) : Math.min(1, aspect * h / w);
    return Math.min(100, 2 * Math.atan(up * fitting) * 180 / Math.PI);
  }

  // Set the page up as the run asks for.
  furnish() {
    const {stage} = this;
    document.title = `${stage.name} · rayfield`;
    at("run").textContent = stage.name;
    at("about").textContent = `${stage.method}, step ${stage.step.toLocaleString("en")}, ${stage.cameras.length} photos`;
    modes(stage.modes, (mode) => { this.mode = mode; this.moved(); });
    const ground = choice(at("backgrounds"), {white: "White", grey: "Grey", black: "Black"}, this.background,
      (name) => { this.background = name; this.moved(); });
    ground(this.background);
    at("backgrounds").hidden = !stage.bounded;
    this.crop = cropSliders(stage.bounded ? 1 : 2, () => this.cropped());
    at("fov").oninput = (event) => { this.eye.set(this.eye.pose, +event.target.value); };
    at("reset").onclick = () => { this.visits.leave(); this.eye.reset(); };
    at("size").oninput = (event) => { this.resize(+event.target.value); };
    for (const name of ["field", "mesh", "thumbs"]) at(`show-${name}`).onchange = () => this.toggled(name);
    for (const split of ["train", "test"]) at(`show-${split}`).onchange = (event) => {
      this.cameras.splits[split] = event.target.checked;
      if (split === "test") this.cameras.splits.val = event.target.checked;
      this.cameras.rebuild();
    };
    at("mesh-row").hidden = !stage.mesh;
    at("thumb-row").hidden = !stage.photos;
    at("fold").onclick = () => this.fold();
    this.resize(0);
    if (stage.photos) this.cameras.load().then((n) => { at("thumb-row").hidden = !n; });
    if (innerWidth < 720) this.fold();
  }

  fold() { document.body.classList.toggle("folded"); this.training?.layout(); }

  resize(power) {
    this.cameras.size = this.stage.size * 4 ** power;
    this.cameras.rebuild();
  }

  size() { return [Math.max(2, Math.round(this.canvas.clientWidth)), Math.max(2, Math.round(this.canvas.clientHeight))]; }

  look() {
    const [width, height] = this.size(), crop = this.crop();
    return {number: this.number, pose: rowsOf(this.eye.pose), fov: this.eye.fov, width, height, mode: this.mode,
      background: BACKGROUNDS[this.background], crop: crop && crop.flat()};
  }

  moved() {
    this.dirty = true;
    this.number += 1;
    this.wake();
  }

  cropped() {
    const crop = this.crop();
    this.lines.set("crop", crop ? box(...crop, CROP_INK) : []);
    this.moved();
  }

  async toggled(name) {
    const on = at(`show-${name}`).checked;
    if (name === "mesh" && on && !this.mesh.count) {
      at("mesh-note").textContent = "…";
      if (this.stage.mesh === "field") this.link.say("mesh");
      else this.meshReady();
    }
    if (name === "field" && on) this.moved();
    this.wake();
  }

  async meshReady() {
    const faces = await this.mesh.load();
    at("mesh-note").textContent = faces ? `${faces.toLocaleString("en")} faces` : "none";
    this.wake();
  }

  opened() {
    this.dirty = true;
    state("connected", "good");
    this.wake();
  }

  closed(before) {
    state("no connection to rayfield; trying again", "lost");
    this.keeping?.free();
    if (before) toast("The connection is lost. If rayfield has ended, start it again and open its new link.", {bad: true});
  }

  hear(about) {
    if (about.kind === "progress" && about.of === "still") this.keeping.progress(about.fraction);
    else if (about.kind === "kept") this.keeping.kept(about);
    else if (about.kind === "meshing") at("mesh-note").textContent = `${Math.round(100 * about.fraction)} %`;
    else if (about.kind === "mesh") this.meshReady();
    else if (about.kind === "trouble") { this.keeping.free(); toast(about.text, {bad: true}); }
    else {
      this.training.hear(about);
      if (about.step !== undefined) at("about").textContent = `${this.stage.method}, step ${about.step.toLocaleString("en")}`;
      if (about.kind === "finished") toast("The training is finished. The run can be looked at any time:", {code: about.command, seconds: 0});
    }
  }

  frame(about, bitmap, depth) {
    if (about.mode !== this.mode) { bitmap.close(); return; }
    this.field.show(about, bitmap, depth);
    legend(about.mode, about.scale, this.stage.unit);
    const ms = about.seconds * 1000, time = ms < 995 ? `${Math.round(ms)} ms` : `${about.seconds.toFixed(1)} s`;
    state(`${about.size.join(" × ")} in ${time}${about.done ? "" : ", refining …"}`, about.done ? "good" : "busy");
    this.shown = about.number;
    this.wake();
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.awake = false;
    const {eye, path} = this;
    let on = eye.advance(now);
    on = this.control.advance((now - (this.last ?? now)) / 1000) || on;
    this.last = on ? now : undefined;
    if (path.recording !== null) { path.capture(eye, now); this.keeping.keys(); on = true; }
    if (path.playing !== null) on = this.playOn(now) || on;
    if (this.dirty && now - this.asked >= ASK && this.link.ready && at("show-field").checked) {
      this.dirty = false;
      this.asked = now;
      this.link.say("look", this.look());
    }
    at("fov").value = eye.fov;
    at("fov-out").textContent = `${Math.round(eye.fov)}°`;
    this.draw();
    if (on || (this.dirty && this.link.ready)) this.wake();
  }

  playOn(now) {
    const seconds = (now - this.path.playing) / 1000;
    const {pose, fov} = this.path.at(Math.min(seconds, this.path.seconds));
    this.eye.set(pose, fov);
    if (seconds >= this.path.seconds) { this.path.playing = this.path.loop ? now : null; this.keeping.keys(); }
    return true;
  }

  draw() {
    const {gl, eye} = this, ratio = Math.min(devicePixelRatio || 1, 2), [w, h] = this.size();
    const [width, height] = [Math.round(w * ratio), Math.round(h * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height});
    const background = BACKGROUNDS[this.background], bounded = this.stage.bounded;
    gl.viewport(0, 0, width, height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const project = projection(eye.pose, eye.fov, w / h), pixels = [width, height];
    if (at("show-field").checked) {
      const still = this.shown === this.number;
      this.field.draw(eye, {aspect: w / h, project, background, bounded, still});
    }
    if (at("show-mesh").checked) this.mesh.draw(project, eye.pose.p);
    const thumbs = at("show-thumbs").checked && this.stage.photos;
    this.cameras.draw(project, pixels, {eye: eye.pose.p, radius: this.radius(), thumbs, ratio});
    this.lines.draw("crop", project, pixels, {width: 1.3 * ratio});
    if (this.path.playing === null) this.lines.draw("path", project, pixels, {width: 1.6 * ratio});
    if (!at("photo").hidden) this.cameras.drawPhoto(project, background, +at("photo-share").value);
  }

  pick(x, y) {
    const [width, height] = this.size(), {eye} = this;
    const project = projection(eye.pose, eye.fov, width / height);
    return this.cameras.pick(x, y, {project, width, height, eye: eye.pose.p, radius: this.radius()});
  }

  // Cameras nearer than this are not drawn.
  radius() { return 0.66 * this.eye.distance; }

  hover(x, y) {
    const i = x === null ? -1 : this.pick(x, y);
    this.canvas.classList.toggle("over", i >= 0);
    at("tip").hidden = i < 0;
    if (i >= 0) {
      at("tip").textContent = this.stage.cameras[i].name;
      at("tip").style.transform = `translate(${x + 14}px, ${y + 12}px)`;
    }
    if (i !== this.cameras.hovered) { this.cameras.hovered = i; this.cameras.rebuild(); }
  }

  click(x, y) {
    const i = this.pick(x, y);
    if (i >= 0) this.visits.go(i);
  }

  // Turn about what is seen at a place of the window.
  aim(x, y) {
    const [w, h] = this.size(), {eye} = this, depth = this.field.depthAt(x / w, y / h);
    if (!depth || this.pick(x, y) >= 0) return;
    const up = Math.tan(radians(eye.fov) / 2);
    const along = unit(times(eye.pose.r, [(2 * x / w - 1) * up * w / h, (2 * y / h - 1) * up, 1]));
    eye.face(add(eye.pose.p, scaled(along, depth)), performance.now());
  }

  key(name) {
    const keys = {
      r: () => at("reset").click(), k: () => this.keeping.addKey(), " ": () => at("path-play").click(),
      Escape: () => this.visits.leave(), Tab: () => this.fold(), ",": () => this.visits.neighbour(-1), ".": () => this.visits.neighbour(1)};
    const act = keys[name];
    if (!act || (name === "Tab" && document.activeElement !== this.canvas)) return false;
    act();
    return true;
  }
}
