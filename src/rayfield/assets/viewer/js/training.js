// What a training tells while it goes on, and the curves of one that is over.
import {Chart, told} from "./charts.js";
import {at, duration, facts} from "./panel.js";

export class Training {
  constructor(stage, link) {
    this.link = link;
    this.paused = false;
    this.charts = {
      psnr: new Chart(at("curve-psnr"), {label: "PSNR of batches", color: "#6ea8fe", unit: " dB"}),
      loss: new Chart(at("curve-loss"), {label: "loss", color: "#ffb454", logarithmic: true})};
    const {step, psnr, loss} = stage.curves;
    this.charts.psnr.set(step, psnr.map((v) => v ?? NaN));
    this.charts.loss.set(step, loss.map((v) => v ?? NaN));
    this.layout();
    at("training").hidden = !stage.live;
    at("pause").onclick = () => this.link.say("pause", {on: !this.paused});
    addEventListener("resize", () => this.layout());
  }

  layout() {
    const {psnr, loss} = this.charts;
    at("learning").hidden = !loss.y.length;
    at("curve-psnr").hidden = !psnr.y.length;
    psnr.draw();
    loss.draw();
  }

  hear(about) {
    if (about.kind === "progress" && about.step !== undefined) this.progress(about);
    if (about.kind === "paused") this.hold(about.on);
    if (about.kind === "finished") this.finish();
  }

  progress(about) {
    at("training").hidden = false;
    const first = !this.charts.loss.y.length;
    this.charts.psnr.push(about.step, about.psnr ?? NaN);
    this.charts.loss.push(about.step, about.loss ?? NaN);
    if (first) this.layout();
    at("done").value = about.fraction;
    facts([
      ["step", about.step.toLocaleString("en")], ["elapsed", duration(about.seconds)],
      ["loss", about.loss === null ? "–" : told(about.loss)], ["left", duration(about.left)],
      ["PSNR", about.psnr === null ? "–" : `${about.psnr.toFixed(1)} dB`],
      ["rays/s", about.rate >= 1e4 ? `${Math.round(about.rate / 1e3)} k` : told(about.rate)]]);
  }

  hold(on) {
    this.paused = on;
    at("pause").textContent = on ? "Go on" : "Pause";
    at("pause").classList.toggle("on", on);
  }

  finish() {
    at("done").value = 1;
    at("pause").hidden = true;
  }
}
