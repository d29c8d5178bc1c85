// The handset: what a person sees and answers. No state of ours is kept on the server but what the sandbox took.
"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const it = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") it.className = value; else it.setAttribute(name, value);
  }
  it.append(...children);
  return it;
};
const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });

const phone = {
  messages: new Map(), replies: JSON.parse(sessionStorage.getItem("replies") || "[]"),
  number: null, unread: new Set(), tab: "sms", unseenMail: 0, ready: false,
};

function pretty(number) {
  const us = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  return us ? `(${us[1]}) ${us[2]}-${us[3]}` : number;
}

// A code as a person would spot it: six digits, or five capitals and digits with at least one of each.
function codeIn(text) {
  const found = text.match(/\b\d{6}\b|\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NP-Z2-9]{5}\b/);
  return found ? found[0] : null;
}

function takeMessage(message) {
  if (phone.messages.has(message.id)) return;
  phone.messages.set(message.id, message);
  if (message.channel === "mail") {
    showMail(message);
    if (phone.ready && phone.tab !== "mail") phone.unseenMail += 1;
  } else if (!phone.ready || $("reply").value === "") {
    // The newest message is what a person would look at, unless they are just writing an answer.
    phone.number = message.to;
    phone.unread.delete(message.to);
  } else if (message.to !== phone.number) {
    phone.unread.add(message.to);
  }
  showPhone();
}

function showPhone() {
  const sms = [...phone.messages.values()].filter((it) => it.channel === "sms");
  const numbers = [...new Set(sms.map((it) => it.to))];
  $("numbers").replaceChildren(...numbers.map((number) => {
    const button = make("button", { type: "button", "aria-pressed": String(number === phone.number) }, pretty(number));
    if (phone.unread.has(number)) { button.className = "unread"; button.setAttribute("aria-label", `${pretty(number)}, new message`); }
    button.addEventListener("click", () => { phone.number = number; phone.unread.delete(number); showPhone(); });
    return button;
  }));
  badge("count-sms", phone.unread.size);
  badge("count-mail", phone.unseenMail);
  showThread(sms.filter((it) => it.to === phone.number));
}

function badge(id, count) {
  $(id).hidden = count === 0;
  $(id).textContent = count;
}

const shown = new Map();
function showThread(received) {
  const thread = $("thread");
  const lines = received.map((it) => ({ id: it.id, side: "in", text: it.body, at: Date.parse(it.sent_at) }))
    .concat(phone.replies.filter((it) => it.to === phone.number).map((it) => ({ ...it, side: "out" })))
    .sort((a, b) => a.at - b.at);
  if (thread.dataset.number !== String(phone.number)) { thread.replaceChildren(); shown.clear(); thread.dataset.number = phone.number; }
  if (lines.length === 0) {
    const art = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    art.setAttribute("viewBox", "0 0 48 48"); art.setAttribute("aria-hidden", "true");
    art.innerHTML = '<path d="M8 10h32a3 3 0 0 1 3 3v18a3 3 0 0 1-3 3H22l-9 7v-7H8a3 3 0 0 1-3-3V13a3 3 0 0 1 3-3zM15 22h.1M24 22h.1M33 22h.1"/>';
    thread.replaceChildren(make("p", { class: "none" }, art, "No message yet. Send a request, and it arrives here."));
  }
  let news = false;
  for (const line of lines) {
    if (shown.has(line.id)) continue;
    if (shown.size === 0) thread.replaceChildren(make("p", { class: "day" }, new Date(line.at).toLocaleDateString([], { weekday: "long", month: "long", day: "numeric" })));
    const bubble = make("div", { class: `bubble ${line.side}` });
    bubble.append(make("span", { class: "unseen" }, line.side === "in" ? "Received: " : "Sent: "), ...marked(line.text, line.side));
    const meta = make("p", { class: `meta ${line.side}` }, line.state ? `${clock(line.at)} · ${line.state}` : clock(line.at));
    thread.append(bubble, meta);
    shown.set(line.id, meta);
    news = true;
  }
  showQuick(lines);
  // After the suggestions: they take room from the thread.
  if (news) thread.scrollTop = thread.scrollHeight;
  $("reply").disabled = $("composer").querySelector("button").disabled = phone.number === null;
}

function marked(text, side) {
  const code = side === "in" ? codeIn(text) : null;
  if (!code) return [text];
  const at = text.indexOf(code);
  return [text.slice(0, at), make("mark", {}, code), text.slice(at + code.length)];
}

function showQuick(lines) {
  const last = lines.at(-1);
  const options = last && last.side === "in" ? [codeIn(last.text), /reply NO/i.test(last.text) ? "NO" : null].filter(Boolean) : [];
  $("quick").replaceChildren(...options.map((text) => {
    const button = make("button", { type: "button" }, `Reply ${text}`);
    button.addEventListener("click", () => sendReply(text));
    return button;
  }));
}

async function sendReply(text) {
  const reply = { id: crypto.randomUUID(), to: phone.number, text, at: Date.now(), state: "Sending…" };
  phone.replies.push(reply);
  const last = [...phone.messages.values()].filter((it) => it.channel === "sms" && it.to === phone.number).at(-1);
  const form = new URLSearchParams({ From: phone.number, Body: text, MessageSid: reply.id });
  if (last && last.from) form.set("To", last.from);
  showPhone();
  try {
    const answer = await fetch("/inbound/sms/sandbox", { method: "POST", body: form });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || `The server answered ${answer.status}.`);
    reply.state = "Delivered";
    $("trouble").hidden = true;
  } catch (cause) {
    reply.state = "Not delivered";
    $("trouble").textContent = cause.message;
    $("trouble").hidden = false;
  }
  sessionStorage.setItem("replies", JSON.stringify(phone.replies.slice(-200)));
  const meta = shown.get(reply.id);
  if (meta) meta.textContent = `${clock(reply.at)} · ${reply.state}`;
}

function showMail(mail) {
  if (phone.messages.size && $("mails").querySelector(".empty")) $("mails").replaceChildren();
  const text = make("pre", {}, mail.body);
  const letter = make("article", { class: "letter" },
    make("header", {}, make("h3", {}, mail.subject || "(no subject)"),
      make("dl", {}, make("dt", {}, "From"), make("dd", {}, mail.from || "the relay’s own mailbox"), make("dt", {}, "To"),
        make("dd", {}, mail.to), make("dt", {}, "Sent"), make("dd", {}, clock(mail.sent_at)))));
  if (mail.html) {
    const frame = make("iframe", { src: `/sandbox/messages/${mail.id}/html`, sandbox: "", title: `Mail: ${mail.subject}` });
    const toggle = make("button", { type: "button" }, "Show plain text");
    text.hidden = true;
    toggle.addEventListener("click", () => {
      text.hidden = !text.hidden; frame.hidden = !text.hidden;
      toggle.textContent = text.hidden ? "Show plain text" : "Show as designed";
    });
    if (mail.body) letter.append(toggle);
    letter.append(frame);
  }
  letter.append(text);
  $("mails").prepend(letter);
}

function openTab(name) {
  phone.tab = name;
  for (const it of ["sms", "mail"]) {
    const tab = $(`tab-${it}`);
    tab.setAttribute("aria-selected", String(it === name));
    tab.tabIndex = it === name ? 0 : -1;
    $(`panel-${it}`).hidden = it !== name;
  }
  if (name === "mail") phone.unseenMail = 0;
  showPhone();
}
