// Visits to the photos' cameras: the photo is laid over the rendering, in its place.
import {at} from "./panel.js";

const MARGIN = 1.02;  // about a photo
const WIDEST = 120;

export class Visits {
  constructor(app) {
    this.app = app;
    at("photo-share").oninput = () => app.wake();
    at("photo-close").onclick = () => this.leave();
    at("before").onclick = () => this.neighbour(-1);
    at("after").onclick = () => this.neighbour(1);
  }

  // Fly to a photo's camera, and show the photo.
  async go(i) {
    const {app} = this, {cameras, eye} = app;
    const {pose, plane: [left, top, right, bottom]} = cameras.cameras[i], [w, h] = app.size();
    // as wide as the photo needs, however the window is shaped
    const up = MARGIN * Math.max(-top, bottom, Math.max(-left, right) * h / w);
    at("photo-name").textContent = app.stage.cameras[i].name;
    at("photo").hidden = at("tip").hidden = true;
    const found = cameras.choose(i);
    await eye.flyTo(pose, Math.min(WIDEST, 2 * Math.atan(up) * 180 / Math.PI), performance.now());
    if (await found && cameras.chosen === i) at("photo").hidden = false;
    app.wake();
  }

  neighbour(step) {
    const {cameras} = this.app, n = cameras.cameras.length;
    for (let k = 1; k <= n; k++) {
      const i = (cameras.chosen + step * k + n * k) % n;
      if (cameras.visible(i)) { this.go(i); return; }
    }
  }

  leave() {
    at("photo").hidden = true;
    this.app.cameras.choose(-1);
  }
}
