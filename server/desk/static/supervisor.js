// The supervisor's board: redrawn from whole states, row by row, so that focus stays where it is.

import { CallAudio } from "./call_audio.js";
import { Connection } from "./connection.js";
import { approval } from "./context_view.js";
import { badge, byId, element, setPressed, setText } from "./dom.js";
import { onShortcuts, press } from "./shortcuts.js";
import { AWAY, clock, MOOD, PRESENCE, sentenceCase } from "./words.js";

const CALL_STATE = {
  frontdesk: { label: "With frontdesk", tone: "" },
  waiting: { label: "Waiting", tone: "warn" },
  ringing: { label: "Ringing", tone: "accent" },
  agent: { label: "With agent", tone: "good" },
  held: { label: "On hold", tone: "warn" },
};
const MODES = {
  listen: { label: "Listen", doing: "Listening to", hint: "You hear both; nobody hears you" },
  coach: { label: "Coach", doing: "Whispering to the agent of", hint: "Only the agent hears you" },
  barge: { label: "Barge in", doing: "In the call of", hint: "Everyone hears you" },
};
const LONG_WAIT_S = 60;
const POOR_SERVICE = 0.8;

const connection = new Connection("/supervisor/ws");
const audio = new CallAudio("/v1/supervisor/rtc");
let board = null;
let wanted = null; // { callId, mode }: to be listened to as soon as the audio is up

// --- what the server tells ---

const HANDLERS = {
  board(message) {
    board = message;
    setText(byId("name"), board.supervisor);
    showFigures(board.queue);
    showRows("queues", board.queues, (queue) => queue.name, fillQueue);
    byId("queues-card").hidden = board.queues.length === 0;
    showApprovals(board.approvals);
    showRows("calls", board.calls, (call) => call.call_id, fillCall);
    showRows("agents", board.agents, (agent) => agent.id, fillAgent);
    showListening(board.listening);
  },
  error({ message }) {
    problem(message);
    wanted = null;
    if (!board?.listening) audio.leave();
  },
};

connection.addEventListener("message", ({ detail }) => HANDLERS[detail.type]?.(detail));
connection.addEventListener("up", () => {
  byId("connection-lost").hidden = true;
});
connection.addEventListener("down", () => {
  byId("connection-lost").hidden = false;
  leave(); // the server took us out of the call
});

audio.addEventListener("well", () => {
  if (wanted) connection.send({ type: "listen", call_id: wanted.callId, mode: wanted.mode });
});
audio.addEventListener("problem", ({ detail }) => {
  problem(detail.text);
  leave();
});

// --- showing it ---

function showFigures(queue) {
  const share = queue.service_level;
  const figures = [
    ["Waiting", queue.waiting, queue.waiting > 0 ? "warn" : ""],
    ["Longest wait", clock(queue.longest_wait_s), queue.longest_wait_s >= LONG_WAIT_S ? "bad" : ""],
    ["To call back", queue.callbacks, ""],
    [`Answered within ${queue.service_s} s`, share === null ? "–" : `${Math.round(share * 100)}%`, share !== null && share < POOR_SERVICE ? "warn" : ""],
    ["Speed of answer", queue.average_answer_s === null ? "–" : clock(queue.average_answer_s), ""],
    ["Answered today", queue.answered, ""],
    ["Abandoned today", queue.abandoned, ""],
  ];
  byId("queue").replaceChildren(
    ...figures.map(([term, value, tone]) =>
      element("div", { className: `figure ${tone}` }, element("dt", {}, term), element("dd", {}, String(value))),
    ),
  );
}

function showApprovals(items) {
  const decide = (item, approved) =>
    connection.send({ type: "decide", call_id: item.call_id, action_id: item.id, approved });
  showRows("approvals", items, (item) => item.id, (row, item) => {
    if (!row.hasChildNodes()) {
      row.append(...approval(item, decide).childNodes);
      row.firstChild.after(element("p", { className: "muted small figures" }));
    }
    const call = board.calls.find(({ call_id }) => call_id === item.call_id);
    setText(row.children[1], `${call?.caller ?? "A caller"} · asked ${clock(item.for_s)} ago`);
  }, "li");
  document.title = items.length ? `(${items.length}) Supervisor` : "Supervisor";
  byId("approvals-card").hidden = items.length === 0;
}

// Keeps the row of each item, so that a button under the finger or the focus stays itself.
function showRows(id, items, keyOf, fill, name = "tr") {
  const box = byId(id);
  const known = new Map([...box.children].map((row) => [row.dataset.key, row]));
  const rows = items.map((item) => {
    const row = known.get(keyOf(item)) ?? element(name, { "data-key": keyOf(item) });
    fill(row, item);
    return row;
  });
  if (rows.length !== box.children.length || rows.some((row, index) => row !== box.children[index])) {
    box.replaceChildren(...rows);
  }
  if (byId(`${id}-empty`)) byId(`${id}-empty`).hidden = items.length > 0;
  if (byId(`${id}-count`)) setText(byId(`${id}-count`), items.length ? String(items.length) : "");
}

function fillQueue(row, queue) {
  if (!row.hasChildNodes()) {
    row.append(element("th", { scope: "row" }), ...Array.from({ length: 6 }, () => element("td", { className: "figures" })));
  }
  const share = queue.service_level;
  const cells = [
    queue.name === "main" ? "Everyone else" : sentenceCase(queue.name),
    queue.waiting,
    clock(queue.longest_wait_s),
    share === null ? "–" : `${Math.round(share * 100)}%`,
    queue.average_answer_s === null ? "–" : clock(queue.average_answer_s),
    queue.answered,
    queue.abandoned,
  ];
  cells.forEach((text, index) => setText(row.children[index], String(text)));
}

function fillCall(row, call) {
  if (!row.hasChildNodes()) {
    row.append(...Array.from({ length: 5 }, () => element("td")), element("td", {}, joinButtons(call)));
    row.children[1].className = "figures";
  }
  const [state, time, caller, task, agent, join] = row.children;
  const { label, tone } = CALL_STATE[call.state];
  setBadge(state, label, tone);
  setText(time, clock(call.for_s));
  const mood = MOOD[call.sentiment];
  if (caller.dataset.shown !== `${call.caller}${call.sentiment}`) {
    caller.dataset.shown = `${call.caller}${call.sentiment}`;
    caller.replaceChildren(call.caller, ...(mood ? [" ", badge(mood.label, mood.tone)] : []));
  }
  setText(task, call.task ?? "–");
  setText(agent, call.agent ?? "–");
  for (const button of join.querySelectorAll("button")) {
    const inIt = board.listening?.call_id === call.call_id;
    setPressed(button, inIt && board.listening.mode === button.dataset.mode);
    // With frontdesk alone, or nobody, there is only something to listen to.
    button.disabled = button.dataset.mode !== "listen" && !["agent", "held"].includes(call.state);
  }
}

function joinButtons(call) {
  const buttons = Object.entries(MODES).map(([mode, { label, hint }]) =>
    element(
      "button",
      {
        type: "button",
        className: "button compact",
        title: hint,
        "data-mode": mode,
        "aria-label": `${label}: call of ${call.caller}`,
        onclick: () => join(call.call_id, mode),
      },
      label,
    ),
  );
  return element("div", { className: "join", role: "group" }, ...buttons);
}

function fillAgent(row, agent) {
  if (!row.hasChildNodes()) {
    const away = element("button", { type: "button", className: "button compact", "aria-label": `Set ${agent.name} away` }, "Set away");
    away.addEventListener("click", () => connection.send({ type: "set_away", agent_id: agent.id }));
    row.append(element("th", { scope: "row" }), ...Array.from({ length: 4 }, () => element("td")), element("td", {}, away));
    row.children[2].className = "figures";
  }
  const [name, presence, time, reach, skills, change] = row.children;
  setText(name, agent.name);
  const { label, tone } = PRESENCE[agent.presence];
  const why = agent.presence === "away" && agent.away_reason;
  setBadge(presence, why ? `${label}: ${AWAY[why] ?? (agent.away_label ?? sentenceCase(why)).toLowerCase()}` : label, tone);
  setText(time, clock(agent.for_s));
  setText(reach, agent.reach === "phone" ? "phone" : "browser");
  setText(skills, agent.skills.join(", ") || "–");
  change.firstChild.hidden = agent.presence !== "ready";
}

function setBadge(cell, text, tone) {
  if (cell.textContent !== text) cell.replaceChildren(badge(text, tone));
}

function showListening(listening) {
  byId("listening").hidden = listening === null;
  if (listening === null) {
    if (wanted === null) audio.leave(); // the call is over
    return;
  }
  const call = board.calls.find(({ call_id }) => call_id === listening.call_id);
  const { label, doing } = MODES[listening.mode];
  setText(byId("listening-mode"), label);
  setText(byId("listening-to"), `${doing} ${call?.caller ?? "a call"}`);
  wanted = null;
}

function problem(text) {
  setText(byId("problem-text"), `${text.charAt(0).toUpperCase()}${text.slice(1)}`);
  byId("problem").hidden = false;
}

// --- what the supervisor does ---

function join(callId, mode) {
  wanted = { callId, mode };
  audio.mute(mode === "listen");
  if (audio.connected) connection.send({ type: "listen", call_id: callId, mode });
  else audio.join("board", {});
  audio.mute(mode === "listen");
}

function leave() {
  wanted = null;
  audio.leave();
}

byId("stop").addEventListener("click", () => {
  connection.send({ type: "stop" });
  leave();
});
byId("problem-close").addEventListener("click", () => {
  byId("problem").hidden = true;
});
onShortcuts({ S: () => press(byId("stop")) });

connection.open();
