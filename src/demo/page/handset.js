// The life of sessions, the stream, and what ties the page together.
const ACTS = {
  MsgAccepted: ["Accepted", "wait"], MsgSent: ["Sent", "wait"], MsgDelivered: ["Delivered", "good"], MsgUndeliverable: ["Undeliverable", "bad"],
  MsgExpired: ["Not sent in time", "warn"], OptedOut: ["Opted out", "warn"], Blocked: ["Blocked", "bad"], RecipMsg: ["Recipient wrote", "plain"],
  OOBVerified: ["Verified", "good"], OOBFailed: ["Failed", "bad"], OOBExpired: ["Expired", "warn"], OOBSuperseded: ["Superseded", "plain"], OOBCancelled: ["Cancelled", "plain"],
};
const SVG = "http://www.w3.org/2000/svg";
const ROUND = 2 * Math.PI * 22;
const sessions = new Map();

function session(id) {
  if (!sessions.has(id)) {
    sessions.set(id, { id, events: new Map() });
    while (sessions.size > 40) {
      const [oldest, it] = sessions.entries().next().value;
      it.card?.remove();
      sessions.delete(oldest);
    }
  }
  return sessions.get(id);
}

function takeSession(news) {
  const it = Object.assign(session(news.id), { life: news });
  showSession(it);
}

function takeEvent(event) {
  const it = session(event.session);
  if (it.events.has(event.id)) return;
  it.events.set(event.id, event);
  showSession(it);
}

function showSession(it) {
  $("sessions").querySelector(".empty")?.remove();
  if (!it.card) {
    it.ring = document.createElementNS(SVG, "svg");
    it.ring.setAttribute("class", "ring");
    it.ring.setAttribute("viewBox", "0 0 52 52");
    it.ring.setAttribute("role", "img");
    it.ring.innerHTML = `<circle cx="26" cy="26" r="22"/><circle class="left" cx="26" cy="26" r="22" stroke-dasharray="${ROUND}"/><text x="26" y="30.5"></text><path/>`;
    it.title = make("h3"); it.sub = make("p"); it.tries = make("div", { class: "tries", role: "img" });
    it.chip = make("span", { class: "chip" }); it.steps = make("ol", { class: "steps" });
    it.card = make("article", { class: "session" }, make("header", {}, it.ring, make("div", {}, it.title, it.sub, it.tries), it.chip), it.steps,
      make("footer", {}, "AlrtPkgId ", make("code", {}, it.id)));
    $("sessions").prepend(it.card);
  }
  showLife(it);
  for (const event of it.events.values()) {
    if (!it.steps.querySelector(`[data-id="${event.id}"]`)) it.steps.append(step(event));
  }
}

function showLife(it) {
  const life = it.life;
  const outcome = [...it.events.values()].map((event) => event.act).find((act) => act.startsWith("OOB"));
  const state = outcome || life?.state || "open";
  const [label, tone] = state === "open" ? ["Open", "wait"] : ACTS[state] || [state, "plain"];
  it.over = state !== "open";
  it.card.dataset.tone = it.chip.dataset.tone = tone;
  it.chip.textContent = label;
  it.title.textContent = life ? life.alert || "Text to a phone number" : "A recipient’s message";
  it.sub.textContent = life ? `${life.two_way ? "Two-way" : "One-way"} · opened ${clock(life.opened_at)}` : "belongs to no session";
  it.ring.toggleAttribute("hidden", !life);
  it.ring.style.display = life ? "" : "none";
  if (!life) return;
  it.tries.setAttribute("aria-label", `${life.attempts} of ${life.allowed} attempts used`);
  it.tries.replaceChildren(...(life.two_way ? Array.from({ length: life.allowed }, (_, n) => make("i", n < life.attempts ? { class: "used" } : {})) : []));
  tick(it);
}

function step(event) {
  const [label, tone] = ACTS[event.act] || [event.act, "plain"];
  const text = event.data.ENSFeedback || event.data.RecipOrigMsgBody || "";
  const at = make("time", { datetime: event.time, title: `${event.number} ${event.data.ENSActCode || event.act} · feed number ${event.seq}` }, new Date(event.time).toLocaleTimeString());
  const line = make("li", { "data-id": event.id, "data-tone": tone }, make("b", {}, label), make("span", {}, text));
  if (event.act.startsWith("OOB")) line.append(make("code", {}, String(event.number)));
  line.append(at);
  return line;
}

function tick(it) {
  if (!it.life) return;
  const [from, to] = [Date.parse(it.life.opened_at), Date.parse(it.life.expires_at)];
  const left = it.over ? 0 : Math.max(0, to - Date.now());
  const seconds = Math.ceil(left / 1000);
  it.ring.querySelector(".left").setAttribute("stroke-dashoffset", it.over ? 0 : ROUND * (1 - left / Math.max(1, to - from)));
  it.ring.querySelector("text").textContent = it.over ? "" : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const marks = { good: "M18 27l6 6 11-13", bad: "M19 19l14 14M33 19L19 33", warn: "M26 16v11l7 4", plain: "M18 26h16" };
  it.ring.querySelector("path").setAttribute("d", it.over ? marks[it.card.dataset.tone] || marks.plain : "");
  it.ring.setAttribute("aria-label", it.over ? it.chip.textContent : `${seconds} seconds left`);
}

function listen() {
  const stream = new EventSource("/sandbox/stream");
  const on = (name, take) => stream.addEventListener(name, (event) => take(JSON.parse(event.data)));
  stream.addEventListener("open", () => link("on", "Live"));
  stream.addEventListener("error", () => link("off", "Reconnecting…"));
  on("message", takeMessage);
  on("session", takeSession);
  on("event", takeEvent);
  on("outbox", ({ paused }) => {
    $("outbox").setAttribute("aria-pressed", String(paused));
    $("outbox").textContent = paused ? "Resume sending" : "Pause sending";
  });
  setTimeout(() => { phone.ready = true; }, 1500);
}

function link(state, text) {
  $("link").dataset.state = state;
  $("link").querySelector("span").textContent = text;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}

theme(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
$("outbox").addEventListener("click", () => fetch(`/sandbox/outbox/${$("outbox").getAttribute("aria-pressed") === "true" ? "resume" : "pause"}`, { method: "POST" }));
$("tab-sms").addEventListener("click", () => openTab("sms"));
$("tab-mail").addEventListener("click", () => openTab("mail"));
document.querySelector(".tabs").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  openTab(phone.tab === "sms" ? "mail" : "sms");
  $(`tab-${phone.tab}`).focus();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("reply").value.trim();
  if (text && phone.number) { $("reply").value = ""; sendReply(text); }
});
$("sample").append(...SAMPLES.map((it) => make("option", {}, it.name)));
$("sample").addEventListener("change", showSample);
$("ask").addEventListener("submit", sendSample);
$("mails").append(make("p", { class: "empty" }, "No mail yet."));
$("sessions").append(make("p", { class: "empty" }, "Nothing yet. A request opens a session; its events appear here as they happen."));
const tell = () => { $("time").textContent = clock(Date.now()).replace(/\s?[AP]M/i, ""); };
tell();
setInterval(() => { tell(); sessions.forEach(tick); }, 1000);
showSample();
showPhone();
listen();
