// What moves on the page: the mesh, and the button that copies the command.
"use strict";

function bytesOf(id) {
  const text = atob(document.getElementById(id).textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function toggle(button, on) {
  button.setAttribute("aria-pressed", on ? "true" : "false");
}

function showMesh() {
  const stage = document.querySelector(".stage");
  if (!stage) return;
  const canvas = stage.querySelector("canvas");
  const options = JSON.parse(document.getElementById("mesh-options").textContent);
  let view;
  try {
    view = new MeshView(canvas, bytesOf("mesh-data"), options);
  } catch (error) {
    stage.classList.add("still");
    stage.querySelector(".remark").textContent = `${error.message}: a picture instead`;
    return;
  }
  stage.classList.add("live");
  stage.addEventListener("pointerdown", () => (view.touched = true));
  window.rayfieldView = view;
  const modes = [...stage.querySelectorAll("[data-mode]")];
  const press = (mode) => {
    view.mode = mode;
    modes.forEach((button) => toggle(button, Number(button.dataset.mode) === mode));
    view.draw();
  };
  modes.forEach((button) => button.addEventListener("click", () => press(Number(button.dataset.mode))));
  press(view.mode);
  for (const name of ["wires", "cameras"]) {
    const button = stage.querySelector(`[data-toggle="${name}"]`);
    if (!button) continue;
    button.addEventListener("click", () => {
      view[name] = !view[name];
      toggle(button, view[name]);
      if (name === "cameras") view.reset();
      else view.draw();
    });
  }
  stage.querySelector("[data-reset]").addEventListener("click", () => view.reset());
  const save = stage.querySelector("[data-save]");
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytesOf("mesh-data")], { type: "model/gltf-binary" }));
    link.download = save.dataset.save;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  spin(view);
}

// Turn slowly until somebody takes hold of it, while it is in sight, and where motion is welcome.
function spin(view) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  let seen = false;
  let last = 0;
  new IntersectionObserver((entries) => {
    seen = entries[0].isIntersecting;
  }).observe(view.canvas);
  const step = (now) => {
    if (view.touched) return;
    if (seen) view.turn(-0.00025 * Math.min(now - last, 50), 0);
    last = now;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        const range = document.createRange();
        range.selectNodeContents(document.getElementById(button.dataset.copy));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        button.textContent = "press Ctrl+C";
      }
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
  }
}

showMesh();
copyButtons();
