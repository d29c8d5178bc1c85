// The bank's side: requests of the published use cases, sent to the real endpoint as the demo publisher.
const ENDPOINT = "/jxchange/2008/ServiceGateway/IMS.svc";
const native = (alert, recipient, contact) =>
  `<AlrtName>${alert}</AlrtName>\n      <OOBRecipInfoRec>\n        <ConsmRecipId>${recipient}</ConsmRecipId>` + (contact
    ? `\n        <OOBRecipInfoArray>\n          <OOBRecipConIdInfoRec>\n            <RecipConId>${contact}</RecipConId>\n          </OOBRecipConIdInfoRec>\n        </OOBRecipInfoArray>` : "") +
  "\n      </OOBRecipInfoRec>";
const pairs = (values) => "\n      <AlrtDataInfoArray>\n        <AlrtDataInfoRec>" +
  Object.entries(values).map(([name, value]) => `\n          <Name>${name}</Name>\n          <Val>${value}</Val>`).join("") +
  "\n        </AlrtDataInfoRec>\n      </AlrtDataInfoArray>";
const inAnHour = () => new Date(Date.now() + 3600e3).toISOString().replace(/\.\d+/, "");
const seed = (contact) => () => native("Unknown User OOB Alert", "MERCHANT89785", contact) +
  pairs({ salutation: "Mr. Solo", timeofday: "morning", username: "Corellia", OTPDuration: "1 hour", OTPExpires: inAnHour() }) +
  "\n      <OOBExpSec>3600</OOBExpSec>";

const SAMPLES = [
  { name: "Unknown user, by SMS", hint: "Two-way and hybrid: reply with the code, or type it into the bank’s page. One hour.", body: seed("Mobile number") },
  { name: "Unknown user, by e-mail", hint: "The same alert to the recipient’s mailbox; the code comes back in the answer too.", body: seed("E-mail address") },
  { name: "Own text with a code", hint: "The bank’s text and our six-digit code, to a phone number. Five minutes.",
    body: () => "<PhoneNum>2025550143</PhoneNum>\n      <SMSText>First Harbor: reply &lt;%$otp%> to send $2,400.00 to Bespin Gas Co. Not you? Reply NO.</SMSText>\n      <OOBExpSec>300</OOBExpSec>" },
  { name: "Code and PIN together", hint: "Reply with the code and then the PIN 4321, nothing between. Seven minutes.",
    body: () => "<PhoneNum>2025550143</PhoneNum>\n      <VerifVal>4321</VerifVal>\n      <OOBExpSec>420</OOBExpSec>" },
  { name: "Administrator’s approval word", hint: "No code in the text: reply with the word HARBOR, which the person knows.",
    body: () => native("ECS Admin Login OOB Alert", "ADMIN0001") + "\n      <VerifVal>HARBOR</VerifVal>\n      <OOBExpSec>600</OOBExpSec>" },
  { name: "Letters and digits, one way", hint: "A mail with a five-character code; the bank checks it itself.",
    body: () => native("Unrecognized User Alert", "MERCHANT10277", "Leia's e-mail") + "\n      <OOBModeType>OneWay</OOBModeType>" },
];

const envelope = (body) => `<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">
  <SOAP-ENV:Body>
    <OOBValidateRq xmlns="http://jackhenry.com/jxchange/TPG/2008">
      <MsgRqHdr>
        <jXchangeHdr>
          <AuditUsrId>AuditUsrId1</AuditUsrId>
          <AuditWsId>AuditWsId1</AuditWsId>
        </jXchangeHdr>
      </MsgRqHdr>
      ${body}
    </OOBValidateRq>
  </SOAP-ENV:Body>
</SOAP-ENV:Envelope>`;

function showXml(into, xml) {
  const parts = xml.split(/(<[^>]*>)/).filter(Boolean);
  into.replaceChildren(...parts.map((it) => (it.startsWith("<") ? make("span", { class: "t" }, it) : it.trim() ? make("span", { class: "v" }, it) : it)));
}

// One element a line, so that a person can read it.
function indented(xml) {
  let depth = 0;
  return xml.replace(/>\s*</g, ">\n<").split("\n").map((line) => {
    if (/^<\//.test(line)) depth -= 1;
    const out = "  ".repeat(Math.max(depth, 0)) + line;
    if (/^<[^?!/][^>]*[^/]>$/.test(line) || /^<[^?!/]>$/.test(line)) depth += 1;
    return out;
  }).join("\n");
}

function showSample() {
  const sample = SAMPLES[$("sample").selectedIndex] || SAMPLES[0];
  $("hint").textContent = sample.hint;
  showXml($("request"), envelope(sample.body()));
}

async function sendSample(event) {
  event.preventDefault();
  const button = $("ask").querySelector("button");
  const sample = SAMPLES[$("sample").selectedIndex];
  const xml = envelope(sample.body());
  showXml($("request"), xml);
  button.disabled = true;
  try {
    const headers = { "Content-Type": "text/xml; charset=utf-8", SOAPAction: '"http://jackhenry.com/ws/OOBValidate"', Authorization: `Basic ${btoa("demo:demo")}` };
    const answer = await fetch(ENDPOINT, { method: "POST", headers, body: xml });
    showAnswer(answer.status, await answer.text());
  } catch (cause) {
    showAnswer(0, "", cause.message);
  }
  button.disabled = false;
}

function showAnswer(status, text, trouble) {
  const document_ = new DOMParser().parseFromString(text || "<none/>", "text/xml");
  const value = (name) => document_.getElementsByTagNameNS("*", name)[0]?.textContent;
  const box = $("answer");
  const id = value("AlrtPkgId");
  box.className = id ? "answer" : "answer bad";
  if (id) {
    const code = value("OTP");
    box.replaceChildren(make("strong", {}, "Success"), make("span", {}, "AlrtPkgId ", make("code", {}, id)));
    if (code) box.append(make("span", { class: "otp", title: "OTP: the code, for the bank to verify itself" }, code));
  } else {
    const codes = [...document_.getElementsByTagNameNS("*", "FaultMsgRec")].map((it) => [...it.children].filter((c) => /^Err(Code|Elem|Desc)$/.test(c.localName)).map((c) => c.textContent).join(" · "));
    box.replaceChildren(make("strong", {}, status ? `Refused (HTTP ${status})` : "No answer"), make("span", {}, codes.join("; ") || trouble || document_.getElementsByTagName("faultstring")[0]?.textContent || ""));
  }
  box.hidden = false;
  $("answer-box").hidden = !text;
  showXml($("response"), indented(text));
}
