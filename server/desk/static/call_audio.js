// The agent's audio of one call: connected while it rings, muted until taken, brought back when lost.
//
// Events: problem { text } when the agent must do something; well {} when audio is up.

import { CallFailure, FAILURES, iceServersFrom, Softphone } from "./rtc.js";

const RETRY_MS = [300, 800, 1500, 2500, 4000];

export class CallAudio extends EventTarget {
  #phone = new Softphone({ iceServers: iceServersFrom("/v1/desk/settings") });
  #url;
  #body = null; // of the call we are in; null: none
  #key = null;
  #attempt = 0;
  #timer = null;
  microphoneId = "";
  speakerId = ""; // stays the browser's own choice where it lets none be made

  constructor(url) {
    super();
    this.#url = url;
    this.#phone.addEventListener("state", (event) => this.#changed(event.detail));
  }

  get connected() {
    return this.#phone.state === "connected";
  }

  // Be in the call that `key` names, which goes to the server in `body`; idempotent.
  join(key, body) {
    if (this.#key === key) return;
    this.leave();
    [this.#key, this.#body, this.#attempt] = [key, body, 0];
    this.mute(true);
    this.#connect();
  }

  leave() {
    clearTimeout(this.#timer);
    this.#key = this.#body = null;
    this.#phone.hangUp();
  }

  mute(muted) {
    this.#phone.mute(muted);
  }

  levels() {
    return this.#phone.levels();
  }

  useMicrophone(deviceId) {
    this.microphoneId = deviceId;
    return this.#phone.setMicrophone(deviceId);
  }

  async useSpeaker(deviceId) {
    this.speakerId = deviceId;
    try {
      await this.#phone.setSpeaker(deviceId);
    } catch {
      this.speakerId = ""; // it was unplugged meanwhile
    }
  }

  async #connect() {
    const key = this.#key;
    try {
      await this.#phone.connect(this.#url, { microphoneId: this.microphoneId, body: this.#body });
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      if (this.#key === key) this.#tell("problem", { code: error.code, text: words(error.code) });
    }
  }

  #changed({ state, reason }) {
    if (state === "connected") {
      this.#attempt = 0;
      if (this.speakerId) this.useSpeaker(this.speakerId);
      this.#tell("well");
    }
    // Whoever hung up, the call goes on as long as the server has not said otherwise.
    if (state === "ended" && this.#key !== null && reason !== "refused") this.#again();
  }

  #again() {
    const delayMs = RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#key !== null && !this.#phone.inCall) this.#connect();
    }, delayMs);
  }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const words = (code) => `Your audio is not connected: ${FAILURES[code] ?? code}.`;

// Ask for the microphone before the first call needs it. Null when all is well, else what is wrong.
export async function microphoneProblem() {
  if (!navigator.mediaDevices?.getUserMedia) return FAILURES.insecure_page;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) track.stop();
    return null;
  } catch (error) {
    return error.name === "NotFoundError" ? FAILURES.no_microphone : FAILURES.microphone_denied;
  }
}
