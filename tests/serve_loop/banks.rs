//! Banks, and what they ask for.

use crate::gateways::{KANNEL_SAYS, TOKEN, kannel, reply_by_kannel, wait_for_text};
use crate::process::bank::{Bank, Server};
use crate::process::explicit;
use crate::process::peer::Peer;

pub const PHONE: &str = "2025550143";
pub const TEXT: &str = "First Harbor: your code is <%$otp%>. Reply with it.";
pub const LISTEN: &str = "[http]\nlisten = '127.0.0.1:0'\n";

pub async fn kannel_bank(first: &[(u16, &'static str)], more: &str) -> (Bank, Peer) {
    let gateway = Peer::start(first, KANNEL_SAYS).await;
    let bank = Bank::new(&format!("{LISTEN}{}{more}", kannel(&gateway)));
    bank.write("carrier.password", TOKEN);
    (bank, gateway)
}

/// The published use case 3, to both of its contacts: a code by text and mail, and a reply that decides.
pub fn hybrid() -> String {
    let case = std::fs::read_to_string("fixtures/demo/case3.xml").unwrap();
    let mail = "</OOBRecipConIdInfoRec><OOBRecipConIdInfoRec><RecipConId>E-mail address</RecipConId></OOBRecipConIdInfoRec>";
    case.replacen("</OOBRecipConIdInfoRec>", mail, 1)
}

pub const EES_SAYS: (u16, &str) = (
    200,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><EESEventAddResponse xmlns="http://jackhenry.com/jxchange/JES/2008"/></s:Body></s:Envelope>"#,
);

/// A bank, its gateway, and its core system, which gets outcomes by `EESEventAdd`.
pub async fn subscribed_bank(more: &str) -> (Bank, Peer, Peer) {
    let core = Peer::start(&[], EES_SAYS).await;
    let subscriber = format!(
        "[[subscriber]]\npublisher = 'bank'\n[subscriber.ees]\nname = 'core'\nurl = '{}'\nallow_plain = true\nallow_private = true\n\
         allow_address = true\nbasic = {{ user = 'ens', password_file = '{{home}}/ees.password' }}\n",
        core.url("/ees")
    );
    let (bank, gateway) = kannel_bank(&[], &format!("{subscriber}{more}")).await;
    bank.write("ees.password", "core-password");
    (bank, gateway, core)
}

/// A challenge that is answered right; its `AlrtPkgId`.
pub async fn verified(server: &Server, gateway: &Peer) -> String {
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    wait_for_text(gateway, &otp).await;
    reply_by_kannel(server, &otp, &id).await;
    server.wait_for_act(&id, "OOBVerified").await;
    id
}
