// The agent's desk: what the server tells goes to the views, what the agent does goes to the server.

import { CallAudio, microphoneProblem } from "./call_audio.js";
import { CallView } from "./call_view.js";
import { Connection } from "./connection.js";
import { showApprovals, showContext } from "./context_view.js";
import { closeDialogs, setUpKeypad, setUpReturn, TargetDialog } from "./dialogs.js";
import { byId, setText } from "./dom.js";
import { showHistory } from "./history_view.js";
import { NotesView } from "./notes_view.js";
import { PresenceView } from "./presence_view.js";
import { Ring } from "./ring.js";
import { SettingsView } from "./settings_view.js";
import { onShortcuts, press } from "./shortcuts.js";
import { TranscriptView } from "./transcript_view.js";
import { caller, ended } from "./words.js";

const state = { call: null, wrapUp: null, context: null, lists: {} };

const connection = new Connection("/desk/ws");
const audio = new CallAudio("/v1/desk/rtc");
const ring = new Ring();
const send = (message) => connection.send(message) || (problem("That needs the connection, which is lost."), false);
const aboutCall = (type, more = {}) => send({ type, call_id: state.call?.call_id ?? state.wrapUp?.call_id, ...more });
const aboutOffer = (type) => send({ type, offer_id: state.call?.offer_id });

const presence = new PresenceView(choosePresence);
const callView = new CallView();
const transcript = new TranscriptView();
const notes = new NotesView((message) => connection.send(message));
const settings = new SettingsView(changeSetting);
const targets = new TargetDialog();
const openKeypad = setUpKeypad((key) => aboutCall("keys", { keys: key }));
const openReturn = setUpReturn((step) => aboutCall("return_to_frontdesk", { step }));

ring.aloud = settings.ring;
audio.microphoneId = settings.microphone;
audio.speakerId = settings.speaker;

// --- what the server tells ---

const HANDLERS = {
  hello(message) {
    state.lists = { dispositions: message.dispositions, steps: message.return_steps };
    presence.offer(message.away_reasons);
    showAgent(message.agent);
    showWaiting(message.waiting);
    showCase(message.context, message.transcript, message.note, message.disposition);
    showApprovalItems(message.approvals);
    showCall(message.call, message.wrap_up);
  },
  queue({ waiting }) {
    showWaiting(waiting);
  },
  presence({ agent }) {
    showAgent(agent);
    showCall(state.call, state.wrapUp);
  },
  offer({ call, context, transcript: lines, approvals }) {
    closeDialogs();
    showCase(context, lines, "", null);
    showApprovalItems(approvals);
    showCall(call, null);
    announce(`Incoming call from ${caller(context.caller)}. ${context.reason_text} ${context.summary.join(" ")}`);
  },
  offer_withdrawn({ offer_id, reason }) {
    if (state.call?.offer_id !== offer_id) return;
    showCall(null, state.wrapUp);
    problem(ended(reason));
  },
  call({ call }) {
    showCall(call, null);
  },
  context({ context }) {
    if (state.context?.call_id !== context.call_id) return;
    state.context = context;
    showContext(context);
  },
  transcript({ call_id, line }) {
    if (state.context?.call_id === call_id) transcript.add(line);
  },
  wrap_up({ wrap_up }) {
    closeDialogs();
    showCall(null, wrap_up);
    if (!wrap_up) return;
    announce(`${ended(wrap_up.reason)} Choose how the call ended.`);
    // The button that had the focus may be gone with the call.
    if (document.activeElement === document.body) byId("disposition").querySelector("input").focus();
  },
  approvals({ items }) {
    showApprovalItems(items);
  },
  saved({ what, call_id }) {
    notes.saved(what, call_id);
  },
  error({ message, answers }) {
    if (answers === "note") notes.failed();
    else problem(sentence(message));
  },
  replaced() {},
};

connection.addEventListener("message", ({ detail }) => HANDLERS[detail.type]?.(detail));
connection.addEventListener("up", () => {
  byId("connection-lost").hidden = true;
});
connection.addEventListener("down", () => lost("Your call goes on while we reconnect."));
connection.addEventListener("closed", () => {
  ring.stop();
  audio.leave();
  lost("The desk is open in another window. Close this one, or reload it to work here.");
});

audio.addEventListener("problem", ({ detail }) => {
  setText(byId("audio-lost"), detail.text);
  byId("audio-lost").hidden = false;
});
audio.addEventListener("well", () => {
  byId("audio-lost").hidden = true;
});

// --- showing it ---

function showAgent(agent) {
  presence.show(agent);
  settings.show(agent);
  byId("board-link").hidden = !agent.may_approve;
}

function showWaiting(count) {
  byId("waiting").className = `badge ${count > 0 ? "warn" : ""}`.trim();
  setText(byId("waiting"), count === 0 ? "Nobody waits" : count === 1 ? "1 caller waits" : `${count} callers wait`);
}

function showCase(context, lines, note, disposition) {
  const sameCall = state.context !== null && state.context.call_id === context?.call_id;
  state.context = context;
  if (context === null) return;
  showContext(context);
  transcript.show(lines, (Date.parse(context.requested_at) - Date.parse(context.started_at)) / 1000);
  notes.show(context.call_id, note, disposition, state.lists.dispositions);
  if (!sameCall) showHistory(context.call_id);
}

function showApprovalItems(items) {
  const decide = (item, approved) => aboutCall("decide", { action_id: item.id, approved });
  showApprovals(items, presence.agent?.may_approve ? decide : null);
}

function showCall(call, wrapUp) {
  const rangBefore = state.call?.phase === "ringing" && state.call.offer_id === call?.offer_id;
  Object.assign(state, { call, wrapUp });
  callView.show(call, wrapUp, presence.agent, notes.disposition);
  if (call?.phase === "ringing") {
    ring.start();
    if (!rangBefore) aboutOffer("seen");
  } else ring.stop();
  joinAudio(call);
}

// How loud both are, while the audio of a call is up: whoever is not heard sees it first.
setInterval(() => {
  const shown = audio.connected && ["talking", "held"].includes(state.call?.phase);
  byId("levels").hidden = !shown;
  if (!shown) return;
  const { mine, theirs } = audio.levels();
  byId("mine").value = state.call.muted ? 0 : mine;
  byId("theirs").value = theirs;
}, 100);

function joinAudio(call) {
  if (call === null || presence.agent?.reach === "phone") {
    audio.leave();
    byId("audio-lost").hidden = true;
    return;
  }
  audio.join(call.offer_id, { offer_id: call.offer_id });
  const taken = ["briefing", "joining", "talking", "held"].includes(call.phase);
  audio.mute(!taken || call.muted);
}

function lost(text) {
  setText(byId("connection-text"), text);
  byId("connection-lost").hidden = false;
}

function problem(text) {
  setText(byId("problem-text"), text);
  byId("problem").hidden = false;
}

function announce(text) {
  setText(byId("announce"), text);
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

// --- what the agent does ---

async function choosePresence(ready, reason) {
  if (ready && presence.agent?.reach === "desk") {
    const wrong = await microphoneProblem();
    if (wrong) {
      problem(`Calls need your microphone, and ${wrong}.`);
      return;
    }
  }
  send({ type: "presence", ready, away_reason: reason });
}

function changeSetting(name, value) {
  if (name === "reach") send({ type: "reach", reach: value });
  else if (name === "spoken_brief") send({ type: "spoken_brief", wanted: value });
  else if (name === "ring") ring.aloud = value;
  else if (name === "speaker") audio.useSpeaker(value);
  else audio.useMicrophone(value);
}

// With a spoken brief the agent answers first, and takes the caller when they have heard it.
function answer() {
  const brief = presence.agent?.spoken_brief && state.call?.phase === "ringing";
  aboutOffer(brief ? "answer" : "accept");
}

function onClick(id, work) {
  byId(id).addEventListener("click", work);
}

onClick("answer", answer);
onClick("decline", () => aboutOffer("decline"));
onClick("mute", () => aboutCall("mute", { muted: !state.call?.muted }));
onClick("hold", () => aboutCall(state.call?.phase === "held" ? "resume" : "hold"));
onClick("hang-up", () => aboutCall("hang_up"));
onClick("keypad-open", openKeypad);
onClick("return-open", () => openReturn(state.lists.steps));
onClick("transfer-open", () =>
  targets.open("Transfer on", "Transfer", true, ({ target, mode }) => aboutCall("transfer_on", { target, mode })),
);
onClick("conference-open", () =>
  targets.open("Add a person to the call", "Add", false, ({ target }) => aboutCall("conference", { target })),
);
onClick("wrap-up-done", () => {
  if (notes.disposition) aboutCall("wrap_up_done");
  else problem("Choose how the call ended first.");
});
onClick("problem-close", () => {
  byId("problem").hidden = true;
});
byId("disposition").addEventListener("change", () => callView.show(state.call, state.wrapUp, presence.agent, notes.disposition));

onShortcuts({
  A: () => press(byId("answer")),
  B: () => press(byId("return-open")),
  C: () => press(byId("conference-open")),
  D: () => press(byId("decline")),
  E: () => press(byId("hang-up")),
  H: () => press(byId("hold")),
  K: () => press(byId("keypad-open")),
  M: () => press(byId("mute")),
  N: () => state.context && notes.focus(),
  R: () => press(byId("ready")),
  T: () => press(byId("transfer-open")),
  W: () => press(byId("wrap-up-done")),
});

connection.open();
