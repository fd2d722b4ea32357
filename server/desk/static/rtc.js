// A softphone for one call at a time: microphone and speaker, WebRTC to frontdesk, keys, captions.
//
//   const phone = new Softphone({ iceServers: iceServersFrom("/v1/phone/settings") });
//   phone.addEventListener("state", (event) => show(event.detail.state));
//   await phone.connect("/v1/phone/offer");
//
// Events, each with its data in `detail`:
//   state    { state, callId }          idle, asking, calling, connected, reconnecting, ended
//   caption  { who, text, final }       who: caller, frontdesk, agent
//   failure  { code, retryAfterS }      before `ended`; a code of FAILURES
//   devices  {}                         a microphone or speaker came or went
//
// State `ended` carries `reason` too: hung_up, far_end, or the failure's code.

export const FAILURES = Object.freeze({
  microphone_denied: "the browser was not allowed to use the microphone",
  no_microphone: "there is no microphone",
  microphone_busy: "another program has the microphone",
  insecure_page: "browsers give the microphone to https pages only",
  no_route: "no way for the audio was found",
  connection_lost: "the network went away during the call",
  server_full: "every line is taken",
  server_gone: "the server did not answer",
  refused: "the server refused the call",
});

const GATHERING_MS = 1500; // a STUN server that is away must not hold up the call
const CONNECTING_MS = 15000; // ICE finds a way within a few seconds or never
const RECOVERING_MS = 10000; // ICE may mend itself; longer silence is a lost call
const SERVER_MS = 20000; // for the answer to an offer

const KEYS = new Set("0123456789*#ABCD");

export class CallFailure extends Error {
  constructor(code, { retryAfterS = null, cause } = {}) {
    super(FAILURES[code], { cause });
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

export class Softphone extends EventTarget {
  #options;
  #state = "idle";
  #callId = null;
  #call = null; // which of its calls goes on: what an earlier one still waits for is void
  #peer = null;
  #keys = null; // the data channel for keys and the end of the call
  #microphone = null; // MediaStream
  #speaker = new Audio();
  #speakerId = "";
  #muted = false;
  #levels = null;
  #timers = new Set();
  #request = null;
  #stopWaiting = () => {}; // for the connection: the call ended first

  // iceServers: a promise of them, as RTCPeerConnection takes them; asked for at each call.
  // processing: echo cancellation, noise suppression and gain control; off only for measurements.
  constructor({ iceServers = async () => [], processing = true } = {}) {
    super();
    this.#options = { iceServers, processing };
    this.#speaker.autoplay = true;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#emit("devices"));
  }

  get state() {
    return this.#state;
  }

  get callId() {
    return this.#callId;
  }

  get muted() {
    return this.#muted;
  }

  get inCall() {
    return !["idle", "ended"].includes(this.#state);
  }

  // Call. `body` is sent beside the offer, `headers` with it. Resolves when the far end can be
  // heard, or the call was ended before; rejects with a CallFailure, which was also told as an event.
  async connect(offerUrl, { microphoneId = "", body = {}, headers = {} } = {}) {
    if (this.inCall) throw new Error("a call is going on");
    const call = (this.#call = Symbol("call"));
    this.#callId = null;
    this.#become("asking");
    try {
      const microphone = await openMicrophone(microphoneId, this.#options.processing);
      if (this.#call !== call) return stopTracks(microphone); // hung up while the browser asked
      this.#microphone = microphone;
      this.#mute();
      this.#become("calling");
      await this.#negotiate(offerUrl, body, headers);
    } catch (error) {
      if (this.#call !== call) return;
      const failure = error instanceof CallFailure ? error : new CallFailure("no_route", { cause: error });
      this.#fail(failure);
      throw failure;
    }
  }

  // End the call, or give up calling.
  hangUp() {
    if (!this.inCall) return;
    this.#say({ type: "hang_up" });
    this.#end("hung_up");
  }

  mute(muted) {
    this.#muted = muted;
    this.#mute();
  }

  // One of 0-9 * # A-D; false when there is nobody to hear it.
  sendKey(key) {
    const known = KEYS.has(key.toUpperCase());
    return known && this.#say({ type: "key", key: key.toUpperCase() });
  }

  // Change the microphone, also during the call.
  async setMicrophone(deviceId) {
    if (!this.#peer) return;
    const fresh = await openMicrophone(deviceId, this.#options.processing);
    if (!this.#peer) return stopTracks(fresh);
    const [track] = fresh.getAudioTracks();
    await this.#peer.getSenders().find((sender) => sender.track?.kind === "audio").replaceTrack(track);
    stopTracks(this.#microphone);
    this.#microphone = fresh;
    this.#mute();
    this.#levels?.listen("mine", fresh);
  }

  // Change the speaker; where the browser cannot, its default stays. False then.
  async setSpeaker(deviceId) {
    if (!this.#speaker.setSinkId) return false;
    await this.#speaker.setSinkId(deviceId);
    this.#speakerId = deviceId;
    return true;
  }

  get speakerId() {
    return this.#speakerId;
  }

  // How loud both sides are now, from 0 (under -60 dBFS) to 1 (full scale).
  levels() {
    return this.#levels?.read() ?? { mine: 0, theirs: 0 };
  }

  // Microphones and speakers; without names until the microphone was allowed once.
  static async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const named = (kind) => all.filter((device) => device.kind === kind && device.deviceId);
    return { microphones: named("audioinput"), speakers: named("audiooutput") };
  }

  // --- the call ---

  async #negotiate(offerUrl, body, headers) {
    const call = this.#call;
    const iceServers = await this.#options.iceServers();
    if (this.#call !== call) return; // hung up meanwhile
    const peer = new RTCPeerConnection({ iceServers });
    this.#peer = peer;
    this.#levels = new Levels();
    this.#levels.listen("mine", this.#microphone);
    const [track] = this.#microphone.getAudioTracks();
    peer.addTrack(track, this.#microphone);
    peer.addEventListener("track", (event) => this.#hear(event.streams[0] ?? new MediaStream([event.track])));
    this.#openChannels(peer);
    const connected = this.#connected(peer);
    connected.catch(() => {}); // it may fail while the offer is still under way
    await peer.setLocalDescription();
    await gathered(peer);
    if (this.#peer !== peer) return; // hung up meanwhile: nothing is asked of the server
    const answer = await this.#post(offerUrl, { ...body, ...peer.localDescription.toJSON() }, headers);
    if (this.#peer !== peer) return;
    this.#callId = answer.call_id ?? null;
    await peer.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
    await connected;
  }

  #openChannels(peer) {
    this.#keys = peer.createDataChannel("keys");
    this.#keys.addEventListener("message", (event) => {
      if (parsed(event.data)?.type === "ended") this.#end("far_end");
    });
    this.#keys.addEventListener("close", () => {
      if (this.#peer === peer) this.#end("far_end");
    });
    peer.createDataChannel("captions").addEventListener("message", (event) => {
      const caption = parsed(event.data);
      if (typeof caption?.text === "string") this.#emit("caption", caption);
    });
  }

  #connected(peer) {
    return new Promise((resolve, reject) => {
      this.#stopWaiting = resolve;
      const late = this.#after(CONNECTING_MS, () => reject(new CallFailure("no_route")));
      let recovering = null;
      peer.addEventListener("connectionstatechange", () => {
        if (this.#peer !== peer) return;
        clearTimeout(recovering);
        switch (peer.connectionState) {
          case "connected":
            clearTimeout(late);
            this.#become("connected");
            resolve();
            break;
          case "disconnected":
            this.#become("reconnecting");
            recovering = this.#after(RECOVERING_MS, () => this.#lose());
            break;
          case "failed":
            if (this.#state === "calling") reject(new CallFailure("no_route"));
            else this.#lose();
            break;
        }
      });
    });
  }

  async #post(url, content, headers) {
    const request = (this.#request = new AbortController());
    const late = this.#after(SERVER_MS, () => request.abort());
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(content),
        signal: request.signal,
      });
      if (response.ok) return await response.json();
    } catch (cause) {
      throw new CallFailure("server_gone", { cause });
    } finally {
      clearTimeout(late);
    }
    const retryAfterS = Number(response.headers.get("Retry-After")) || null;
    if ([503, 429].includes(response.status)) throw new CallFailure("server_full", { retryAfterS });
    throw new CallFailure(response.status >= 500 ? "server_gone" : "refused", { retryAfterS });
  }

  #hear(stream) {
    this.#speaker.srcObject = stream;
    this.#speaker.play().catch(() => {}); // a page that never was clicked; `connect` comes by a click
    this.#levels?.listen("theirs", stream);
  }

  #say(message) {
    if (this.#keys?.readyState !== "open") return false;
    this.#keys.send(JSON.stringify(message));
    return true;
  }

  #mute() {
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !this.#muted;
  }

  // --- its end ---

  #lose() {
    if (this.inCall) this.#fail(new CallFailure("connection_lost"));
  }

  #fail(failure) {
    this.#emit("failure", { code: failure.code, retryAfterS: failure.retryAfterS });
    this.#end(failure.code);
  }

  #end(reason) {
    if (!this.inCall) return;
    this.#call = null;
    this.#release(); // before it is told: a listener may call again at once
    this.#become("ended", { reason });
  }

  #release() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#request?.abort();
    this.#stopWaiting();
    stopTracks(this.#microphone);
    this.#speaker.srcObject = null;
    this.#levels?.close();
    const peer = this.#peer;
    this.#peer = this.#keys = this.#microphone = this.#levels = null;
    // The last message gets out first: closing at once would drop it.
    if (peer) setTimeout(() => peer.close(), 100);
  }

  #become(state, more = {}) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit("state", { state, callId: this.#callId, ...more });
  }

  #emit(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}

// Asks this address for the STUN and TURN servers. Without an answer there are none: a call may
// still find its way, and a server that is silent shows at the offer.
export const iceServersFrom = (url) => async () => {
  try {
    const response = await fetch(url);
    return response.ok ? (await response.json()).ice_servers : [];
  } catch {
    return [];
  }
};

// Level meters: an analyser for each side in one audio graph that plays nothing.
class Levels {
  #context = new AudioContext();
  #sides = {};

  listen(side, stream) {
    this.#sides[side]?.source.disconnect();
    const source = this.#context.createMediaStreamSource(stream);
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    this.#sides[side] = { source, analyser, samples: new Float32Array(analyser.fftSize) };
    this.#context.resume().catch(() => {}); // closed meanwhile
  }

  read() {
    return { mine: this.#level(this.#sides.mine), theirs: this.#level(this.#sides.theirs) };
  }

  #level(side) {
    if (!side) return 0;
    side.analyser.getFloatTimeDomainData(side.samples);
    const power = side.samples.reduce((sum, sample) => sum + sample * sample, 0) / side.samples.length;
    return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
  }

  close() {
    this.#context.close();
  }
}

async function openMicrophone(deviceId, processing) {
  if (!navigator.mediaDevices?.getUserMedia) throw new CallFailure("insecure_page");
  const audio = {
    echoCancellation: processing,
    noiseSuppression: processing,
    autoGainControl: processing,
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (cause) {
    throw new CallFailure(MICROPHONE_FAILURES[cause.name] ?? "no_microphone", { cause });
  }
}

const MICROPHONE_FAILURES = {
  NotAllowedError: "microphone_denied",
  SecurityError: "microphone_denied",
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

// All of our addresses are known, or those that came in time.
function gathered(peer) {
  return new Promise((resolve) => {
    const done = () => {
      if (peer.iceGatheringState === "complete") resolve();
    };
    peer.addEventListener("icegatheringstatechange", done);
    setTimeout(resolve, GATHERING_MS);
    done();
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function stopTracks(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
