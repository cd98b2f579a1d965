// The WebSocket: wishes go out, pictures come in; opened again whenever it is lost.

const AGAIN = 1200;  // ms

// The JSON object that a message of bytes begins with, and where its body starts.
export function unpacked(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  return {about, start: 4 + size};
}

export class Link {
  constructor({opened, closed, frame, still, text}) {
    Object.assign(this, {opened, closed, frame, still, text});
    this.order = Promise.resolve();
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/link`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { this.socket = socket; this.opened(); };
    socket.onclose = (event) => {
      const before = this.socket === socket;
      this.socket = null;
      this.closed(event, before);
      setTimeout(() => this.open(), AGAIN);
    };
    socket.onmessage = (event) => {
      // decoding takes its time: one after the other, as they came
      this.order = this.order.then(() => this.take(event.data)).catch(() => {});
    };
  }

  get ready() { return this.socket?.readyState === WebSocket.OPEN; }

  say(kind, about = {}) {
    if (this.ready) this.socket.send(JSON.stringify({kind, ...about}));
  }

  async take(data) {
    if (typeof data === "string") { this.text(JSON.parse(data)); return; }
    const {about, start} = unpacked(data);
    if (about.kind === "frame") {
      this.say("seen");
      const jpeg = new Blob([new Uint8Array(data, start, about.jpeg)], {type: "image/jpeg"});
      const [width, height] = about.depth;
      const depth = new Uint16Array(data.slice(start + about.jpeg, start + about.jpeg + 2 * width * height));
      this.frame(about, await createImageBitmap(jpeg), depth);
    } else if (about.kind === "still") {
      this.still(about, new Blob([new Uint8Array(data, start)], {type: "image/png"}));
    } else {
      this.text(about);
    }
  }
}
