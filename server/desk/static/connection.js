// The page's WebSocket: it comes back by itself, and knows when nobody is there.
//
// Events, each with its data in `detail`:
//   message  the message, parsed
//   up       {}                      after this a `hello` or `board` follows
//   down     { retryInMs }
//   closed   { code }                for good: another window has the desk, or this is not ours to see

const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 5000;
const SILENT_MS = 12000; // the server pings every four seconds
const REPLACED = 4001;
const SIGNED_OUT = 4401;
const NO_RIGHT = 4403;

export class Connection extends EventTarget {
  #url;
  #socket = null;
  #retryMs = FIRST_RETRY_MS;
  #heardAt = 0;
  #timer = null;

  constructor(path) {
    super();
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#url = url;
    setInterval(() => this.#checkPulse(), 2000);
    window.addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => this.#hurry());
  }

  get isUp() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#heardAt = performance.now();
    socket.addEventListener("open", () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#tell("up");
    });
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", (event) => this.#lost(socket, event.code));
  }

  // False when nobody is there to hear it.
  send(message) {
    if (!this.isUp) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #receive(socket, data) {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    const message = JSON.parse(data);
    if (message.type === "ping") this.send({ type: "pong" });
    else this.#tell("message", message);
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    if (code === SIGNED_OUT) location.reload(); // which leads to signing in, and back here
    if ([REPLACED, SIGNED_OUT, NO_RIGHT].includes(code)) {
      this.#tell("closed", { code });
      return;
    }
    // Not all pages at once, after a restart of the server.
    const retryInMs = this.#retryMs * (0.75 + Math.random() / 2);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 1.7);
    this.#timer = setTimeout(() => this.open(), retryInMs);
    this.#tell("down", { retryInMs });
  }

  #checkPulse() {
    if (!this.#socket || performance.now() - this.#heardAt < SILENT_MS) return;
    const socket = this.#socket;
    socket.close();
    this.#lost(socket, 1006); // its own close event may take a minute without a network
  }

  #hurry() {
    if (this.#socket || !this.#timer || document.hidden) return;
    this.open();
  }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
