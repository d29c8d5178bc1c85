//! Answers to every header that a caller can send: all 2,048 choices of its optional elements, in both versions of SOAP.

use super::process::{Demo, IMS, element};
use super::schema;

/// The optional elements of the header in schema order, each with the level that it stands on and a value that is accepted.
const OPTIONAL: &[(&str, usize, &str)] = &[
    ("JxVer", 0, "2023.0.07"),
    ("AuthenUsrId", 0, "jobrien &amp; co"),
    ("ConsumerName", 0, "First Harbor"),
    ("ConsumerProd", 0, "Demo"),
    ("jXLogTrackingId", 1, "log-1"),
    ("InstRtId", 2, "011001276"),
    ("InstEnv", 2, "TEST"),
    ("BusCorrelId", 3, "bus-1"),
    ("WorkflowCorrelId", 4, "flow-1"),
    ("ValidConsmName", 5, "Demo"),
    ("ValidConsmProd", 5, "Demo"),
];
const SOAP11: (&str, &str) = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8");
const SOAP12: (&str, &str) = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8");
/// Credentials inside the header, which are none of ours and must not come back.
const CREDENTIALS: &str = "<Ver_1/><AuthenUsrCred><w:Security xmlns:w=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><w:UsernameToken><w:Username>inner</w:Username></w:UsernameToken></w:Security></AuthenUsrCred><Ver_2/><Ver_3/>";

#[tokio::test]
async fn every_choice_of_header_elements_is_answered_validly() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut answers = Vec::new();
    for choice in 0..1_usize << OPTIONAL.len() {
        // What is refused is stored nowhere, so all can be tried; the root and the version take turns.
        let (root, version) = ([("OOBValidate", SOAP11), ("OOBValidateRq", SOAP12)])[choice % 2];
        let body = format!("<{root} xmlns=\"http://jackhenry.com/jxchange/TPG/2008\">{}</{root}>", header(choice, choice % 3 != 0));
        let answer = post(&client, &demo, version, &body).await;
        assert!(answer.contains("<ErrCode>3154<"), "{answer}");
        check_echo(choice, &answer);
        answers.push(answer);
    }
    for (number, choice) in (0..OPTIONAL.len()).map(|it| 1 << it).chain([0, (1 << OPTIONAL.len()) - 1]).enumerate() {
        for (root, version, prefix) in [("OOBValidate", SOAP11, 200), ("OOBValidateRq", SOAP12, 300)] {
            let phone = format!("<PhoneNum>202555{:04}</PhoneNum>", prefix + number);
            // An id is a request's own, or the second would be the first again.
            let sent = header(choice, true).replace("-1<", &format!("-{number}-{root}<"));
            let body = format!("<{root} xmlns=\"http://jackhenry.com/jxchange/TPG/2008\">{sent}{phone}</{root}>");
            let answer = post(&client, &demo, version, &body).await;
            assert_eq!(element(&answer, "RsStat").as_deref(), Some("Success"), "{answer}");
            check_echo(choice, &answer.replace(&format!("-{number}-{root}<"), "-1<"));
            answers.push(answer);
        }
    }
    let documents: Vec<&str> = answers.iter().map(String::as_str).collect();
    for (answer, fault) in answers.iter().zip(schema::faults(&documents)) {
        assert!(fault.is_empty(), "{fault}\n{answer}");
    }
}

fn header(choice: usize, with_markers: bool) -> String {
    let mut made = String::new();
    for level in 0..=6 {
        if level > 0 && with_markers {
            made += &format!("<Ver_{level}/>");
        }
        for (place, (name, at, text)) in OPTIONAL.iter().enumerate() {
            // The ids that everybody sends come after the first element, as the schema has them.
            if place == 1 && level == 0 {
                made += "<AuditUsrId>teller</AuditUsrId><AuditWsId>branch</AuditWsId>";
            }
            if *at == level && choice & (1 << place) != 0 {
                made += &format!("<{name}>{text}</{name}>");
            }
        }
    }
    let credentials = if choice.is_multiple_of(5) { CREDENTIALS } else { "" };
    format!("<MsgRqHdr><jXchangeHdr>{made}</jXchangeHdr>{credentials}</MsgRqHdr>")
}

fn check_echo(choice: usize, answer: &str) {
    for (place, (name, _, text)) in OPTIONAL.iter().enumerate() {
        let sent = choice & (1 << place) != 0;
        let filled = matches!(*name, "JxVer" | "jXLogTrackingId") && !answer.contains(":Fault>");
        match element(answer, name) {
            Some(echoed) if sent => assert_eq!(echoed, *text, "{name} in {answer}"),
            found => assert!(!sent && (found.is_none() || filled), "{name} in {answer}"),
        }
    }
    assert!(!answer.contains("inner"), "credentials came back: {answer}");
}

async fn post(client: &reqwest::Client, demo: &Demo, (namespace, media): (&str, &str), body: &str) -> String {
    let envelope = format!("<s:Envelope xmlns:s=\"{namespace}\"><s:Body>{body}</s:Body></s:Envelope>");
    let request = client.post(format!("{}{IMS}", demo.base)).basic_auth("demo", Some("demo")).header("content-type", media);
    request.body(envelope).send().await.unwrap().text().await.unwrap()
}
