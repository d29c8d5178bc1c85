//! Gateways as the settings know them, and replies through them.

use crate::process::bank::Server;
use crate::process::peer::Peer;
use crate::process::until;
use base64::prelude::{BASE64_STANDARD, Engine as _};

pub const HANDSET: &str = "+12025550143";
pub const TOKEN: &str = "tw1lio-auth-t0ken-of-the-bank";
pub const KANNEL_SAYS: (u16, &str) = (202, "0: Accepted for delivery");
const BEHIND: &str = "https://countersign.bank.example/inbound/sms/carrier";

/// A gateway like Twilio's, its replies signed.
pub fn twilio(peer: &Peer) -> String {
    format!(
        r#"
[[gateway]]
name = "carrier"
url = "{}"
from = "+12025550100"
basic = {{ user = "AC1", password_file = "{{home}}/carrier.password" }}
headers = {{ I-Twilio-Idempotency-Token = "{{id}}" }}
body = {{ form = [["To", "{{to}}"], ["From", "{{from}}"], ["Body", "{{text}}"]] }}
allow_plain = true
[gateway.answer]
success = {{ pointer = "/sid" }}
message_id = {{ pointer = "/sid" }}
[[inbound]]
name = "carrier"
preset = "twilio"
proof = {{ twilio = {{ public_url = "{BEHIND}" }} }}
secret_file = "{{home}}/carrier.password"
"#,
        peer.url("/2010-04-01/Accounts/AC1/Messages.json")
    )
}

/// A gateway like Kannel's, its replies known by where they come from.
pub fn kannel(peer: &Peer) -> String {
    format!(
        r#"
[[gateway]]
name = "kannel"
url = "{}"
method = "GET"
secret_file = "{{home}}/carrier.password"
query = [["username", "bank"], ["password", "{{secret}}"], ["to", "{{to}}"], ["text", "{{text}}"], ["charset", "UTF-8"],
         ["coding", "{{coding}}"], ["account", "{{id}}"]]
allow_plain = true
[gateway.answer]
success = {{ status = [202], contains = ["0: Accepted", "3: Queued"] }}
[[inbound]]
name = "kannel"
preset = "kannel"
proof = "networks"
networks = ["127.0.0.0/8", "::1/128"]
"#,
        peer.url("/cgi-bin/sendsms")
    )
}

/// A handset's reply through Kannel.
pub async fn reply_by_kannel(server: &Server, text: &str, id: &str) {
    let query = [("from", HANDSET), ("to", "28849"), ("text", text), ("id", id), ("charset", "UTF-8")];
    let said = server.get("/inbound/sms/kannel", &query).await;
    assert_eq!((said.status, said.body.as_str()), (200, ""), "an empty answer: Kannel would send on what is in it");
}

/// A handset's reply through Twilio, signed with `token`.
pub async fn reply_by_twilio(server: &Server, token: &str, text: &str, id: &str) -> u16 {
    let mut form = [("Body", text), ("From", HANDSET), ("MessageSid", id), ("To", "+12025550100")];
    form.sort_unstable();
    let signed: String = std::iter::once(BEHIND).chain(form.iter().flat_map(|it| [it.0, it.1])).collect();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let signature = BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()));
    server.post("/inbound/sms/carrier", &[("x-twilio-signature", &signature)], &form).await.status
}

pub async fn wait_for_text(gateway: &Peer, text: &str) {
    until(text, async || gateway.taken().iter().any(|it| it.field("text").contains(text)).then_some(())).await;
}
