// Begins the page.
import {App} from "./app.js";
import {context} from "./gl.js";
import {at, state} from "./panel.js";

async function start() {
  history.replaceState(null, "", "/");  // the token is in a cookie by now
  const gl = context(at("view"));
  if (!gl) { state("this browser gives no WebGL 2; allow hardware acceleration, or use another one", "lost"); return; }
  const answer = await fetch("/stage.json");
  if (!answer.ok) { state("open the whole link that rayfield printed", "lost"); return; }
  window.rayfield = new App(await answer.json(), gl);
}

start().catch((error) => { state(`the page has failed: ${error.message}`, "lost"); throw error; });
