// What one takes along: pictures, and camera paths.
import {at, toast} from "./panel.js";

const SIZES = {"1": "window size", "2": "2 × window", "photo": "photo size"};

export class Keeping {
  constructor(app) {
    this.app = app;
    const sizes = at("still-size");
    for (const [value, text] of Object.entries(SIZES)) sizes.append(new Option(text, value));
    at("still").onclick = () => this.askStill();
    at("key-add").onclick = () => this.addKey();
    at("path-record").onclick = () => { app.path.record(performance.now()); this.keys(); };
    at("path-play").onclick = () => this.play();
    at("path-clear").onclick = () => { app.path.clear(); this.keys(); };
    at("path-keep").onclick = () => app.link.say("path", app.path.message(...app.size()));
    at("path-loop").onchange = (event) => { app.path.loop = event.target.checked; app.path.rebuild(); };
    at("path-seconds").oninput = (event) => { app.path.seconds = +event.target.value; app.path.rebuild(); this.keys(); };
    this.keys();
  }

  askStill() {
    const {app} = this, kind = at("still-size").value, photo = app.stage.cameras[0]?.size;
    let [width, height] = app.size();
    if (kind === "photo" && photo) [width, height] = photo;
    else { width *= +kind; height *= +kind; }
    at("still").disabled = true;
    at("still").textContent = "Rendering …";
    app.link.say("still", {...app.look(), width, height});
  }

  progress(fraction) { at("still").textContent = `Rendering ${Math.round(100 * fraction)} %`; }

  free() {
    at("still").disabled = false;
    at("still").textContent = "Save image";
  }

  still(about, blob) {
    this.free();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.app.stage.name.replace(/[^\w.-]+/g, "-")}-${about.mode}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 20000);
    toast(`${link.download}: ${about.size.join(" × ")} pixels`);
  }

  addKey() {
    this.app.path.add(this.app.eye);
    this.keys();
  }

  async play() {
    const {path} = this.app;
    path.playing = path.playing === null && path.keys.length > 1 ? performance.now() : null;
    this.app.wake();
    this.keys();
  }

  // The buttons as the path is now.
  keys() {
    const {app} = this, {path} = app, n = path.keys.length, recording = path.recording !== null;
    at("path-count").textContent = n ? `${n} view${n > 1 ? "s" : ""}, ${path.seconds.toFixed(1)} s` : "";
    at("path-record").textContent = recording ? "Stop" : "Record";
    at("path-record").classList.toggle("on", recording);
    at("path-play").textContent = path.playing === null ? "Play" : "Stop";
    at("path-play").disabled = n < 2 || recording;
    at("path-keep").disabled = at("path-clear").disabled = !n || recording;
    at("path-out").textContent = path.seconds.toFixed(1);
    at("path-seconds").value = path.seconds;
    const shown = n > 24 ? [] : path.keys;
    at("keys").replaceChildren(...shown.map((key, i) => {
      const [item, button] = [document.createElement("li"), document.createElement("button")];
      button.textContent = String(i + 1);
      button.title = "go there; with Shift: remove it";
      button.onclick = (event) => {
        if (event.shiftKey) { path.remove(i); this.keys(); }
        else app.eye.flyTo(key.pose, key.fov, performance.now());
      };
      item.append(button);
      return item;
    }));
  }

  kept(about) {
    if (about.trouble) { toast(about.trouble, {bad: true}); return; }
    const quoted = (text) => (/^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
    const code = `rayfield render ${quoted(about.run)} --path ${quoted(about.file)}`;
    toast("The path is saved. To film it:", {code, seconds: 0});
  }
}

