// How times, callers and the server's codes read to people.

// 75 → "1:15", 4000 → "1:06:40"
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// "sip:+491701234@example.com;user=phone" → "+491701234"
export function caller(address) {
  const user = address.replace(/^(sips?|tel):/i, "").split(/[@;]/)[0];
  return !user || /^(anonymous|unknown)$/i.test(user) ? "Number withheld" : user;
}

// "order_number" → "Order number"
export function sentenceCase(code) {
  const words = String(code).replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const PRESENCE = {
  ready: { label: "Ready", tone: "good" },
  away: { label: "Away", tone: "" },
  ringing: { label: "Ringing", tone: "accent" },
  talking: { label: "On a call", tone: "accent" },
  wrap_up: { label: "Wrap-up", tone: "warn" },
  offline: { label: "Offline", tone: "bad" },
};

export const PHASE = {
  ringing: "Incoming call",
  connecting: "Connecting your audio",
  briefing: "Brief: the caller does not hear you",
  joining: "Connecting the caller",
  talking: "On the call",
  held: "Caller on hold",
};

export const WHO = { caller: "Caller", frontdesk: "Frontdesk", agent: "Agent" };

export const AWAY = {
  not_ready_yet: "not ready yet",
  set_by_supervisor: "set by a supervisor",
  window_closed: "the desk was closed",
  not_answering: "a call was not answered",
};

export const MOOD = {
  calm: null,
  impatient: { label: "Impatient", tone: "warn" },
  upset: { label: "Upset", tone: "bad" },
};

export const ACTION = {
  succeeded: { label: "Done", tone: "good" },
  refused: { label: "Refused", tone: "bad" },
  unavailable: { label: "Not reached", tone: "bad" },
  unknown: { label: "Unsettled", tone: "warn" },
  running: { label: "Still running", tone: "warn" },
  pending: { label: "Waiting for approval", tone: "warn" },
};

export const ENDED = {
  caller_hangup: "The caller hung up.",
  agent_hangup: "You ended the call.",
  declined: "Declined.",
  no_answer: "Nobody answered in time.",
  voicemail: "Your voicemail answered; the caller went to a colleague.",
  answered_elsewhere: "Somebody else took the call.",
  browser_closed: "Your desk was closed too long; the caller went to a colleague.",
  connection_lost: "Your connection was lost too long; the caller went to a colleague.",
  network_error: "Your audio was lost; the caller went to a colleague.",
  no_audio: "Your audio did not connect; the caller went to a colleague.",
  transferred_on: "Transferred on.",
  guest_took_over: "Your colleague has the caller now.",
  left: "You left the call; your colleague has the caller.",
  host_left: "Your colleague ended the call before you joined.",
  not_reached: "They did not answer, and will be called again later. There is nothing to wrap up.",
  returned: "Returned to frontdesk.",
};

export const ended = (reason) => ENDED[reason] ?? `${sentenceCase(reason)}.`;
