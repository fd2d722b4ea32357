// The caller's page: one softphone, one button, and words for everything that happens.

import { iceServersFrom, Softphone } from "./rtc.js";

const at = (id) => document.getElementById(id);

const STATES = {
  idle: "Ready to call",
  asking: "Waiting for your microphone…",
  calling: "Calling…",
  connected: "Connected",
  reconnecting: "The connection is bad, trying again…",
  ended: "Call ended",
};

const ENDINGS = { hung_up: "You hung up", far_end: "Call ended" };

// What went wrong, and what to do about it.
const PROBLEMS = {
  microphone_denied: [
    "Your browser blocks the microphone.",
    "Allow it for this page, in the address bar or in the browser’s settings, and call again.",
  ],
  no_microphone: ["No microphone was found.", "Plug one in, or choose another below, and call again."],
  microphone_busy: [
    "Your microphone is in use.",
    "Another program holds on to it. Close that, and call again.",
  ],
  insecure_page: [
    "This page may not use your microphone.",
    "Browsers allow it on secure pages only: open the address with https.",
  ],
  no_route: [
    "No way was found for the sound.",
    "Your network may block calls. Try another one, such as your phone’s.",
  ],
  connection_lost: ["The connection was lost.", "Check your network, and call again."],
  server_full: ["All lines are busy.", "Please call again in a moment."],
  server_gone: ["The server does not answer.", "Check your network, and call again in a minute."],
  refused: ["The call was refused.", "Reload the page, and call again."],
};

const NAMES = { caller: "You", frontdesk: "Front desk", agent: "Our colleague" };
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const KEY_NAMES = { "*": "star", "#": "hash" };
const PRESSED_MS = 150; // a key shows that it was taken

let phone = null;
let startedAtMs = 0;
let clock = null;

async function call() {
  clearProblem();
  at("captions").replaceChildren();
  at("empty").hidden = false;
  phone ??= softphone();
  phone.mute(false);
  showMuted(false);
  try {
    await phone.connect("/v1/phone/offer", { microphoneId: at("microphone").value });
    if (at("speaker").value) await phone.setSpeaker(at("speaker").value);
    await showDevices();
  } catch {
    // Told by the failure event.
  }
}

function softphone() {
  const made = new Softphone({ iceServers: iceServersFrom("/v1/phone/settings") });
  made.addEventListener("state", ({ detail }) => showState(detail));
  made.addEventListener("caption", ({ detail }) => showCaption(detail));
  made.addEventListener("failure", ({ detail }) => showProblem(detail));
  made.addEventListener("devices", showDevices);
  return made;
}

// --- how the call stands ---

function showState({ state, reason }) {
  const inCall = !["idle", "ended"].includes(state);
  const talking = ["connected", "reconnecting"].includes(state);
  const hadFocus = document.activeElement;
  at("phone").dataset.state = state;
  at("state").textContent = (state === "ended" && (ENDINGS[reason] ?? "No call")) || STATES[state];
  at("call").hidden = inCall;
  at("call").lastElementChild.textContent = state === "ended" ? "Call again" : "Call";
  at("hang-up").hidden = !inCall;
  at("mute").hidden = at("live").hidden = !talking;
  if (state === "connected" && clock === null) startClock();
  if (state === "ended") stopClock();
  keepFocus(hadFocus);
}

// Whoever works by keyboard goes on where the button they pressed was.
function keepFocus(before) {
  if (before === at("call") && at("call").hidden) at("hang-up").focus();
  if (before && before !== document.body && before.closest("[hidden]") && !at("call").hidden) at("call").focus();
}

function startClock() {
  startedAtMs = performance.now();
  at("timer").hidden = false;
  showTime();
  clock = setInterval(showTime, 1000);
  requestAnimationFrame(showLevels);
}

function stopClock() {
  clearInterval(clock);
  if (clock === null) at("timer").hidden = true; // there was no call to measure
  clock = null;
}

function showTime() {
  const seconds = Math.floor((performance.now() - startedAtMs) / 1000);
  at("timer").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function showLevels() {
  if (clock === null) return;
  const { mine, theirs } = phone.levels();
  at("mine").value = phone.muted ? 0 : mine;
  at("theirs").value = theirs;
  requestAnimationFrame(showLevels);
}

function showProblem({ code, retryAfterS }) {
  const [what, remedy] = PROBLEMS[code] ?? PROBLEMS.refused;
  const strong = document.createElement("strong");
  strong.textContent = what;
  const wait = code === "server_full" && retryAfterS ? `Please call again in ${seconds(retryAfterS)}.` : remedy;
  const notice = document.createElement("p");
  notice.className = "notice bad";
  notice.append(strong, ` ${wait}`);
  at("problem").replaceChildren(notice);
}

function seconds(count) {
  return count === 1 ? "a second" : `${count} seconds`;
}

function clearProblem() {
  at("problem").replaceChildren();
}

// --- captions ---

function showCaption({ who, text, final }) {
  const list = at("captions");
  const pending = [...list.children].findLast((line) => line.dataset.who === who && "pending" in line.dataset);
  if (!text) return pending?.remove(); // they spoke over it before a word was heard
  const line = pending ?? newLine(who);
  if (line.lastElementChild.textContent !== text) line.lastElementChild.textContent = text;
  if (final) delete line.dataset.pending;
  else line.dataset.pending = "";
  if (!pending) list.append(line);
  at("empty").hidden = true;
  list.scrollTop = list.scrollHeight;
}

function newLine(who) {
  const line = document.createElement("p");
  line.className = line.dataset.who = who;
  const name = document.createElement("span");
  name.className = "who";
  name.textContent = NAMES[who] ?? who;
  line.append(name, document.createElement("span"));
  return line;
}

// --- keys, mute, devices ---

function press(key) {
  if (!phone?.sendKey(key)) return;
  const button = at("keypad").querySelector(`[data-key="${CSS.escape(key)}"]`);
  button?.classList.add("pressed");
  setTimeout(() => button?.classList.remove("pressed"), PRESSED_MS);
}

function makeKeypad() {
  for (const key of KEYS) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.dataset.key = button.textContent = key;
    if (KEY_NAMES[key]) button.setAttribute("aria-label", KEY_NAMES[key]);
    button.addEventListener("click", () => press(key));
    at("keypad").append(button);
  }
}

function showMuted(muted) {
  at("mute").setAttribute("aria-pressed", String(muted));
}

function toggleMute() {
  phone.mute(!phone.muted);
  showMuted(phone.muted);
}

async function showDevices() {
  const { microphones, speakers } = await Softphone.devices();
  fill(at("microphone"), microphones);
  fill(at("speaker"), speakers);
  at("speaker-field").hidden = !("setSinkId" in HTMLMediaElement.prototype);
}

function fill(select, devices) {
  const chosen = select.value;
  const usual = new Option("The usual one", "");
  const named = devices.filter((device) => device.label && device.deviceId !== "default");
  select.replaceChildren(usual, ...named.map((device) => new Option(device.label, device.deviceId)));
  select.value = named.some((device) => device.deviceId === chosen) ? chosen : "";
}

async function changeMicrophone() {
  try {
    if (phone?.inCall) await phone.setMicrophone(at("microphone").value);
  } catch (failure) {
    showProblem(failure);
  }
}

async function changeSpeaker() {
  try {
    await phone?.setSpeaker(at("speaker").value);
  } catch {
    at("speaker").value = ""; // it was unplugged meanwhile: sound stays where it was
  }
}

function onKey(event) {
  const typing = event.target instanceof HTMLSelectElement || event.ctrlKey || event.metaKey || event.altKey;
  if (!typing && !event.repeat && KEYS.includes(event.key)) press(event.key);
}

makeKeypad();
showDevices();
at("call").addEventListener("click", call);
at("hang-up").addEventListener("click", () => phone.hangUp());
at("mute").addEventListener("click", toggleMute);
at("microphone").addEventListener("change", changeMicrophone);
at("speaker").addEventListener("change", changeSpeaker);
addEventListener("keydown", onKey);
addEventListener("pagehide", () => phone?.hangUp());
