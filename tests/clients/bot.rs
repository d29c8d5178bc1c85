//! A bot with nothing but `fetch` (`fixtures/rest/bot.mjs`) runs its dialog against a real server, whose mail goes to a stand-in of
//! SendGrid. The person is this test.

use crate::process::bank::{Bank, PASSWORD, Server};
use crate::process::peer::{Got, Peer};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The bot, and whoever types to it.
struct Bot {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bot {
    fn start(server: &Server, locale: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rest/bot.mjs");
        let mut command = Command::new("node");
        let environment = [("URL", server.base.as_str()), ("USER", "bank"), ("PASSWORD", PASSWORD), ("LOCALE", locale)];
        command.envs(environment.map(|(name, value)| (format!("COUNTERSIGN_{name}"), value)));
        let piped = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = piped.expect("node 18 or newer; install it with `.ci/setup clients`");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        tokio::task::block_in_place(|| self.output.read_line(&mut line)).unwrap();
        line.trim_end().to_owned()
    }

    fn told(&mut self, text: &str) -> String {
        writeln!(self.input, "{text}").unwrap();
        self.says()
    }

    fn ends(mut self) -> Option<i32> {
        tokio::task::block_in_place(|| self.child.wait()).unwrap().code()
    }
}

/// The code of a mail, which is well made for SendGrid.
fn code(mail: &Got) -> String {
    assert_eq!((mail.target.as_str(), mail.header("authorization")), ("/v3/mail/send", "Bearer SG.a-key-of-the-bank"));
    let sent: Value = serde_json::from_str(&mail.body).unwrap();
    assert_eq!(sent["personalizations"][0]["to"][0]["email"], "ann@home.example");
    let text = sent["content"][0]["value"].as_str().unwrap();
    let digits = text.split(|it: char| !it.is_ascii_digit()).find(|it| it.len() == 6);
    digits.unwrap_or_else(|| panic!("no code: {text}")).to_owned()
}

async fn bank() -> (Bank, Peer) {
    let peer = Peer::start(&[], (202, "")).await;
    let settings = format!(
        "[http]\nlisten = '127.0.0.1:0'\n[challenges]\nresend_gap_seconds = 0\n[sendgrid]\nbase_url = '{}'\nallow_plain = true\n\
         api_key_file = '{{home}}/sendgrid.key'\nfrom = 'The Bank <alerts@bank.example>'\n",
        peer.url("")
    );
    let bank = Bank::new(&settings);
    bank.write("sendgrid.key", "SG.a-key-of-the-bank");
    (bank, peer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: clients"]
async fn a_bot_has_a_person_verified() {
    let (bank, peer) = bank().await;
    let server = bank.start();
    let mut bot = Bot::start(&server, "en");
    assert_eq!(bot.says(), "Hello! To go on, please tell me your e-mail address.");
    assert_eq!(bot.told("ann at home"), "That doesn't look like an e-mail address. Please check it and enter it again.");
    assert_eq!(bot.told("ann@home.example"), "We have sent a code by e-mail to a***@home.example. Please enter it here within 5 minutes.");
    let first = code(&peer.wait_for(1).await[0]);
    assert_eq!(bot.told("no idea"), "That code is not correct. You have 4 attempts left.");
    assert_eq!(bot.told("again"), "We have sent you a new code. Only the new one counts now; please enter it within 4 minutes.");
    let second = code(&peer.wait_for(2).await[1]);
    assert_eq!(bot.told(&first), "That code is not correct. You have 3 attempts left.");
    assert_eq!(bot.told(&second), "Thank you, your code is correct.");
    assert_eq!(bot.ends(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow tier: clients"]
async fn a_bot_tells_a_person_that_it_failed_in_the_person_s_language() {
    let (bank, peer) = bank().await;
    let server = bank.start();
    let mut bot = Bot::start(&server, "es");
    bot.says();
    assert!(bot.told("ann@home.example").starts_with("Le hemos enviado un código por correo electrónico"));
    peer.wait_for(1).await;
    let mut last = String::new();
    for _ in 0..5 {
        last = bot.told("nada");
    }
    assert_eq!(last, "El código no es correcto y no le quedan intentos. Solicite un código nuevo.");
    assert_eq!(bot.ends(), Some(1));
}
