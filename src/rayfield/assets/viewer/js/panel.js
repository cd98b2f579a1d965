// The page around the picture. Whatever comes from a run is put there as text, never as markup.
import {told} from "./charts.js";

export const at = (id) => document.getElementById(id);

const MODES = {color: "Colour", depth: "Depth", normals: "Normals", opacity: "Opacity", samples: "Samples"};
const HINTS = {
  depth: "distance from the lens", normals: "x, y, z of the surface's normal as red, green, blue",
  opacity: "how much light is stopped", samples: "field evaluations a ray", color: "what a photo would show"};

// Buttons of which one is on.
export function choice(element, options, chosen, pick) {
  const buttons = Object.entries(options).map(([value, label]) => {
    const button = document.createElement("button");
    button.textContent = label;
    button.setAttribute("role", "radio");
    button.dataset.value = value;
    button.title = HINTS[value] ?? "";
    button.onclick = () => { mark(value); pick(value); };
    return button;
  });
  const mark = (value) => buttons.forEach((b) => b.setAttribute("aria-checked", String(b.dataset.value === value)));
  element.replaceChildren(...buttons);
  mark(chosen);
  return mark;
}

export function modes(known, pick) {
  return choice(at("modes"), Object.fromEntries(known.map((m) => [m, MODES[m] ?? m])), "color", pick);
}

export function legend(mode, scale, unit) {
  const words = {
    depth: scale && [`depth ${told(scale[0] * unit)}`, told(scale[1] * unit)],
    samples: scale && [`samples a ray ${told(scale[0])}`, told(scale[1])],
    opacity: ["clear", "opaque"], normals: ["normals along x", "y, z"]}[mode];
  at("legend").hidden = !words;
  if (!words) return;
  at("ramp").className = mode;
  [at("low").textContent, at("high").textContent] = words;
}

export function toast(text, {code = "", bad = false, seconds = 8} = {}) {
  const box = document.createElement("div");
  box.className = bad ? "toast bad" : "toast";
  const close = document.createElement("button");
  close.textContent = "✕";
  close.setAttribute("aria-label", "close");
  close.onclick = () => box.remove();
  box.append(close, text);
  if (code) {
    const line = document.createElement("code");
    line.textContent = code;
    box.append(line);
  }
  at("toasts").append(box);
  while (at("toasts").children.length > 4) at("toasts").firstChild.remove();
  if (seconds) setTimeout(() => box.remove(), 1000 * seconds);
}

export function state(text, kind) {
  at("state").textContent = text;
  at("dot").className = kind;
}

// Two sliders for each axis of the crop box, in scene units from -reach to reach.
export function cropSliders(reach, changed) {
  const pairs = ["x", "y", "z"].map((name) => {
    const row = document.createElement("div");
    row.className = "pair";
    row.append(name);
    const [low, high] = [-reach, reach].map((value, end) => {
      const slider = document.createElement("input");
      Object.assign(slider, {type: "range", min: -reach, max: reach, step: reach / 200, value});
      slider.setAttribute("aria-label", `${end ? "highest" : "lowest"} ${name}`);
      row.append(slider);
      return slider;
    });
    low.oninput = () => { if (+low.value > +high.value) high.value = low.value; changed(); };
    high.oninput = () => { if (+high.value < +low.value) low.value = high.value; changed(); };
    at("crop").append(row);
    return [low, high];
  });
  at("crop-reset").onclick = () => {
    pairs.forEach(([low, high]) => { low.value = -reach; high.value = reach; });
    changed();
  };
  // [low, high], or null for everything
  return () => {
    const all = pairs.every(([low, high]) => +low.value <= -reach && +high.value >= reach);
    return all ? null : [pairs.map(([low]) => +low.value), pairs.map(([, high]) => +high.value)];
  };
}

export function facts(rows) {
  at("facts").replaceChildren(...rows.flatMap(([name, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    return [term, text];
  }));
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds)), two = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}
