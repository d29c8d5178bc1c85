//! The corpus against the whole program: a real process, whose memory can be looked at, and what leaves it by its gateway, its
//! relay and its webhook.

use super::check::{Place, answers, check, exchange};
use super::corpus::{Caller, Case, Step, cases};
use super::process::bank::{Bank, PASSWORD, Server};
use super::process::peer::Peer;
use super::process::{explicit, until};
use super::stand::good;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const CALLER: Caller = Caller { user: "bank", password: PASSWORD };

const LIMITS: &str = "[http.limits]\nheader_timeout_ms = 400\nidle_timeout_ms = 400\nbody_timeout_ms = 400\n[http.auth]\n\
                      failures_per_pair = 1000\nfailures_per_address = 1000\nfailures_per_user = 1000\n";

/// A gateway as text in JSON, and the three that bring replies in the corpus.
fn gateways(peer: &Peer) -> String {
    format!(
        r#"
[[gateway]]
name = "carrier"
url = "{}"
headers = {{ X-Id = "{{id}}" }}
body = {{ json = '{{"to":"{{to}}","text":"{{text}}","ref":"{{id}}"}}' }}
allow_plain = true
answer = {{ success = {{ status = [200] }} }}
[[inbound]]
name = "sandbox"
preset = "sandbox"
proof = "networks"
networks = ["127.0.0.0/8"]
[[inbound]]
name = "kannel"
preset = "kannel"
proof = "networks"
networks = ["127.0.0.0/8"]
[[inbound]]
name = "basic"
preset = "json"
proof = {{ basic = {{ user = "gw" }} }}
secret_file = "{{home}}/gateway.secret"
"#,
        peer.url("/send")
    )
}

fn address(server: &Server) -> SocketAddr {
    format!("127.0.0.1:{}", server.base.rsplit(':').next().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn the_corpus_opens_nothing_and_leaves_memory_as_it_was() {
    let peer = Peer::start(&[], (200, "{}")).await;
    let bank = Bank::new(&format!("[http]\nlisten = '127.0.0.1:0'\n{LIMITS}{}", gateways(&peer)));
    bank.write("gateway.secret", "gateway-secret");
    bank.edit("registration/publisher.toml", "answer_replies = true", "answer_replies = false");
    bank.edit("registration/publisher.toml", "per_phone_ten_minutes = 50", "per_phone_ten_minutes = 1000");
    bank.edit("registration/publisher.toml", "per_phone_day = 100", "per_phone_day = 1000");
    bank.edit("countersign.toml", "level = 'trace'", "level = 'info'");
    let server = bank.start();
    let place = Place { address: address(&server), caller: CALLER, seen: &|| (Vec::new(), Vec::new()) };
    // What is seen here is what the gateway gets; replies reach no session, thus change nothing.
    let all: Vec<Case> = cases().into_iter().map(|it| Case { replies: Vec::new(), ..it }).collect();
    let (mut messages, mut after_first) = (0, 0);
    for round in 1..=3 {
        let mut wrong = Vec::new();
        for case in &all {
            let opens = case.phones.len();
            let case = Case { phones: Vec::new(), ..case.clone() };
            if let Err(why) = check(&place, &case).await {
                wrong.push(format!("{}: {}", case.file, why.chars().take(1_500).collect::<String>()));
            }
            // One after another: a newer challenge would cancel what is not sent yet.
            messages += opens;
            peer.wait_for(messages).await;
        }
        assert!(wrong.is_empty(), "round {round}, {} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
        let again = exchange(place.address, vec![Step::Send(good(&CALLER))]).await;
        assert_eq!(answers(&again).unwrap()[0].status, 200, "round {round}");
        messages += 1;
        peer.wait_for(messages).await;
        let resident = server.resident();
        if round == 1 {
            after_first = resident;
        }
        assert!(resident < after_first + 32 * 1024, "memory grew from {after_first} to {resident} KiB in round {round}");
    }
    assert_eq!(peer.got().len(), messages, "messages beyond those that were asked for");
    assert!(!server.logs().contains("panicked"), "{}", server.logs());
}

/// A relay that takes every mail (RFC 5321), and keeps what it was told.
async fn relay() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, kept) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let mails = kept.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, mails.clone()));
        }
    });
    (port, kept)
}

async fn take(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 relay\r\n").await?;
    let (mut line, mut mail, mut data) = (String::new(), String::new(), false);
    while stream.read_line(&mut line).await? > 0 {
        mail.push_str(&line);
        let said = match (data, line.trim_end()) {
            (true, ".") => {
                data = false;
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                "250 taken\r\n"
            }
            (true, _) => "",
            (false, "DATA") => {
                data = true;
                "354 go on\r\n"
            }
            (false, _) => "250 relay\r\n",
        };
        stream.write_all(said.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

const EVIL: &str = "Solo&#13;&#10;Bcc: thief@evil.example&#13;&#10;&#13;&#10;\"},\"to\":\"+19005550100\",\"x\":\"&lt;/p&gt;&lt;script&gt;";

/// The hybrid use case with line ends, quotes and markup in every value that reaches a message or is kept with it.
fn injection() -> String {
    let header = format!("<AuditUsrId>{EVIL}</AuditUsrId><AuditWsId>{EVIL}</AuditWsId><Ver_1/><jXLogTrackingId>{EVIL}</jXLogTrackingId>");
    let pair = |name: &str, value: &str| format!("<AlrtDataInfoRec><Name>{name}</Name><Val>{value}</Val></AlrtDataInfoRec>");
    let times = pair("OTPDuration", "1 hour") + &pair("OTPExpires", "2037-01-26T14:58:20Z");
    let values: String = ["salutation", "timeofday", "username"].map(|it| pair(it, EVIL)).concat() + &times;
    let contacts =
        ["Mobile number", "E-mail address"].map(|it| format!("<OOBRecipConIdInfoRec><RecipConId>{it}</RecipConId></OOBRecipConIdInfoRec>"));
    format!(
        "<OOBValidateRq xmlns=\"http://jackhenry.com/jxchange/TPG/2008\"><MsgRqHdr><jXchangeHdr>{header}</jXchangeHdr></MsgRqHdr>\
         <AlrtName>Unknown User OOB Alert</AlrtName><OOBRecipInfoRec><ConsmRecipId>MERCHANT89785</ConsmRecipId><OOBRecipInfoArray>{}\
         </OOBRecipInfoArray></OOBRecipInfoRec><AlrtDataInfoArray>{values}</AlrtDataInfoArray></OOBValidateRq>",
        contacts.concat()
    )
}

#[tokio::test]
async fn no_value_becomes_a_header_or_a_field() {
    let (peer, hook, (port, mails)) = (Peer::start(&[], (200, "{}")).await, Peer::start(&[], (204, "")).await, relay().await);
    let more = format!(
        "[http]\nlisten = '127.0.0.1:0'\n[smtp]\nname = 'relay'\nhost = 'localhost'\nport = {port}\ntls = 'none'\n\
         from = 'alerts@bank.example'\n{}[[subscriber]]\npublisher = 'bank'\ndeliveries = true\n[subscriber.webhook]\nname = 'desk'\nurl = '{}'\n\
         secret_file = '{{home}}/webhook.secret'\nallow_plain = true\nallow_private = true\n",
        gateways(&peer),
        hook.url("/hook")
    );
    let bank = Bank::new(&more);
    bank.write("gateway.secret", "gateway-secret");
    bank.write("webhook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    bank.edit("registration/library.toml", "\"Confirm your First Harbor sign-in\"", "\"Confirm <%username%>\"");
    let server = bank.start();
    bank.done(&["load", "--apply"]);
    let answer = server.soap(&injection()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let sent = peer.wait_for(1).await.remove(0);
    let sent: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!((sent["to"].as_str(), sent.as_object().unwrap().len()), (Some("+12025550143"), 3), "{sent}");
    assert!(!sent["text"].as_str().unwrap().contains(['\r', '\n']), "{sent}");
    mail(&until("the mail", async || mails.lock().unwrap().pop()).await);
    let id = answer.element("AlrtPkgId");
    server.wait_for_act(&id, "MsgAccepted").await;
    for push in hook.wait_for(1).await {
        assert!(push.headers.keys().all(|it| it != "bcc") && !format!("{:?}", push.headers).contains("evil"), "{:?}", push.headers);
        serde_json::from_str::<serde_json::Value>(&push.body).unwrap();
    }
    // A phone is no place for a second field either.
    let refused = server.soap(&explicit("2025550123&#13;&#10;Bcc: x", "Your code is <%$otp%>.", "", None)).await;
    assert_eq!((refused.status, refused.codes()), (500, vec!["3147".to_owned()]), "{}", refused.body);
    assert!(!server.logs().lines().any(|it| it.starts_with("Bcc")), "a log line that is not ours");
}

fn mail(text: &str) {
    let (envelope, content) = text.split_once("DATA\r\n").unwrap();
    assert_eq!(envelope.matches("RCPT TO:").count(), 1, "{envelope}");
    let (head, body) = content.split_once("\r\n\r\n").unwrap();
    assert!(!head.lines().any(|it| it.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert_eq!(head.matches("Subject:").count(), 1, "{head}");
    let html = body.split_once("Content-Type: text/html").unwrap().1;
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
}
