// A publisher as a node shop would build one: `soap` reads the WSDL of a running server and calls its operations.
//
// Prints one JSON object: by the name of each case, what the caller got of it.
//
// Usage: client.js BASE CASES (NODE_PATH says where `soap` is installed)
"use strict";

const { readFileSync } = require("node:fs");
const soap = require("soap");

const USER = "demo";
const PASSWORD = "demo";

/** How each kind of caller proves itself. */
const LOGINS = {
  basic: () => new soap.BasicAuthSecurity(USER, PASSWORD),
  token: () => new soap.WSSecurity(USER, PASSWORD, { hasTimeStamp: false, hasTokenCreated: false }),
  "token with timestamp": () => new soap.WSSecurity(USER, PASSWORD, { hasTimeStamp: true }),
  "wrong basic": () => new soap.BasicAuthSecurity(USER, `${PASSWORD}x`),
  "wrong token": () => new soap.WSSecurity(USER, `${PASSWORD}x`, { hasTimeStamp: false }),
  nobody: () => null,
};

async function main() {
  const [base, path] = process.argv.slice(2);
  const cases = JSON.parse(readFileSync(path, "utf8")).filter((it) => !it.only || it.only.includes("node"));
  const wsdl = `${base}/jxchange/2008/ServiceGateway/IMS.svc?wsdl`;
  const told = {};
  for (const each of cases) {
    const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: each.soap === "1.2" });
    const security = LOGINS[each.as]();
    if (security) client.setSecurity(security);
    told[each.name] = await ask(client, each);
  }
  process.stdout.write(JSON.stringify(told));
}

async function ask(client, each) {
  try {
    const [answer] = await client[`${each.call}Async`](each.request);
    if (each.call === "Ping") return { pinged: answer.PingRs };
    return { id: text(answer.AlrtPkgId), otp: text(answer.OTP), status: answer.RsStat, header: header(answer.MsgRsHdr.jXchangeHdr) };
  } catch (error) {
    // What the library documents for a fault: an error that carries the parsed envelope.
    const fault = error.root?.Envelope?.Body?.Fault;
    if (!fault) throw error;
    return { raised: "error.root.Envelope.Body.Fault", fault: shown(fault) };
  }
}

/** A fault of SOAP 1.1 or 1.2, with its detail as the WSDL's types have it. */
function shown(fault) {
  const detail = (fault.detail ?? fault.Detail)?.HdrFault;
  const rules = [].concat(detail?.FaultRecInfoArray?.FaultMsgRec ?? []);
  return {
    code: text(fault.faultcode ?? fault.Code.Subcode?.Value ?? fault.Code.Value),
    message: text(fault.faultstring ?? fault.Reason.Text),
    header: detail ? header(detail.FaultHdr) : null,
    rules: rules.map((it) => ({
      code: it.ErrCode,
      category: it.ErrCat,
      description: it.ErrDesc,
      element: it.ErrElem ?? null,
      value: it.ErrElemVal ?? null,
    })),
  };
}

/** Every element of the header that is there, without the markers. */
function header(read) {
  const names = Object.keys(read).filter((it) => it !== "attributes" && !it.startsWith("Ver_"));
  return Object.fromEntries(names.map((name) => [name, text(read[name])]));
}

/** The text of an element, also of one that has attributes. */
function text(read) {
  return read?.$value ?? read ?? null;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
