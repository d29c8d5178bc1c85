//! Planted faults: the harness must see each of these, or it proves nothing.

use super::check::{check, check_timestamps};
use super::foreign::{NODE, ZEEP};
use super::process::Demo;
use super::recorder::{Exchange, Recorder};
use super::{ask, case, schema};
use serde_json::{Value, json};

const ANSWER: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><OOBValidateResponse xmlns="http://jackhenry.com/jxchange/TPG/2008"><MsgRsHdr><jXchangeHdr><JxVer>2024.1.03</JxVer><AuditUsrId>u</AuditUsrId><AuditWsId>w</AuditWsId><Ver_1/><jXLogTrackingId>t-1</jXLogTrackingId><Ver_2/><Ver_3/><BusCorrelId>b-1</BusCorrelId></jXchangeHdr></MsgRsHdr><AlrtPkgId>72e67057-a1d8-4d29-b5fe-95b2d5b1d39f</AlrtPkgId><OTP>561126</OTP><RsStat>Success</RsStat></OOBValidateResponse></s:Body></s:Envelope>"#;
const FAULT: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>3154</faultstring><detail><HdrFault xmlns="http://jackhenry.com/jxchange/TPG/2008"><FaultHdr><AuditUsrId>u</AuditUsrId><AuditWsId>w</AuditWsId></FaultHdr><FaultRecInfoArray><FaultMsgRec><ErrCode>3154</ErrCode><ErrCat>Error</ErrCat><ErrDesc>Either.</ErrDesc></FaultMsgRec></FaultRecInfoArray></HdrFault></detail></s:Fault></s:Body></s:Envelope>"#;
const FAULT12: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang="en">3154</s:Text></s:Reason><s:Detail><HdrFault xmlns="http://jackhenry.com/jxchange/TPG/2008" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><FaultHdr xsi:nil="true"/></HdrFault></s:Detail></s:Fault></s:Body></s:Envelope>"#;

#[test]
fn the_schema_check_sees_a_wrong_document() {
    // (what it is, a valid document, the text that is replaced, by what)
    let planted = [
        ("elements out of order", ANSWER, "<OTP>561126</OTP><RsStat>Success</RsStat>", "<RsStat>Success</RsStat><OTP>561126</OTP>"),
        ("a required element is missing", ANSWER, "<AuditWsId>w</AuditWsId>", ""),
        ("a level without its marker", ANSWER, "<Ver_2/><Ver_3/>", "<Ver_3/>"),
        ("a marker that is not empty", ANSWER, "<Ver_2/>", "<Ver_2>2</Ver_2>"),
        ("an element that the schema does not know", ANSWER, "<RsStat>", "<RsCode>0</RsCode><RsStat>"),
        ("an element of another namespace", ANSWER, "<OTP>", "<OTP xmlns=\"urn:other\">"),
        ("a root that the contract does not know", ANSWER, "OOBValidateResponse", "OOBValidateAnswer"),
        ("something beside the root", ANSWER, "</OOBValidateResponse>", "</OOBValidateResponse><x/>"),
        ("an attribute that the schema does not know", ANSWER, "<AlrtPkgId>", "<AlrtPkgId Kind=\"1\">"),
        ("a detail of another namespace", FAULT, "TPG/2008", "TPG/2009"),
        ("a detail without its header", FAULT, "<FaultHdr><AuditUsrId>u</AuditUsrId><AuditWsId>w</AuditWsId></FaultHdr>", ""),
        ("a rule without its code", FAULT, "<ErrCode>3154</ErrCode>", ""),
        ("a qualified fault code", FAULT, "faultcode>", "s:faultcode>"),
        ("a fault code of no namespace that is known", FAULT, "s:Client", "t:Client"),
        ("a fault without its text", FAULT, "<faultstring>3154</faultstring>", ""),
        ("a fault of the other version", FAULT, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        ("an unqualified detail in SOAP 1.2", FAULT12, "s:Detail>", "Detail>"),
        ("a null that is none", FAULT12, " xsi:nil=\"true\"", ""),
        ("no envelope", ANSWER, "s:Envelope", "s:Letter"),
        ("no XML", ANSWER, "</s:Body>", ""),
    ];
    assert_eq!(schema::faults(&[ANSWER, FAULT, FAULT12]), ["", "", ""], "they are valid to begin with");
    let documents: Vec<String> = planted.iter().map(|(_, valid, old, new)| valid.replace(old, new)).collect();
    for ((what, valid, ..), document) in planted.iter().zip(&documents) {
        assert_ne!(document, valid, "{what} was not planted");
    }
    let faults = schema::faults(&documents.iter().map(String::as_str).collect::<Vec<_>>());
    for ((what, ..), fault) in planted.iter().zip(faults) {
        assert!(!fault.is_empty(), "{what} went unnoticed");
    }
}

/// What becomes of an answer on its way.
type Change = fn(String) -> String;

#[tokio::test]
async fn a_client_that_is_answered_wrongly_is_seen() {
    let planted: [(&str, Change); 4] = [
        ("elements out of order", |it| {
            it.replace(
                "<AuditUsrId>teller</AuditUsrId><AuditWsId>branch-1</AuditWsId>",
                "<AuditWsId>branch-1</AuditWsId><AuditUsrId>teller</AuditUsrId>",
            )
        }),
        ("a required element is missing", |it| it.replace("<AuditWsId>branch-1</AuditWsId>", "")),
        ("a detail of another namespace", |it| {
            it.replace("<HdrFault xmlns=\"http://jackhenry.com", "<HdrFault xmlns=\"http://example.com")
        }),
        ("a rule of several is missing", |it| {
            it.replace("<FaultMsgRec><ErrCode>3157", "<Other><ErrCode>3157").replacen(
                "</FaultMsgRec><FaultMsgRec><ErrCode>2005",
                "</Other><FaultMsgRec><ErrCode>2005",
                1,
            )
        }),
    ];
    for (what, change) in planted {
        // A demo of its own each: nothing but what is planted differs from the run that must succeed.
        let data = tempfile::tempdir().unwrap();
        let demo = Demo::start(data.path());
        let recorder = Recorder::start(&demo.base, change).await;
        let base = recorder.base.clone();
        let told = tokio::task::spawn_blocking(move || ZEEP.try_ask(&base)).await.unwrap();
        let changed = recorder.taken().into_iter().any(|it| change(it.answer.clone()) != it.answer);
        assert!(changed, "{what} was not planted");
        // Either zeep itself refuses the answer, or what it tells is not what the table expects.
        let seen = told.is_err() || case::of("zeep").iter().any(|it| check(&ZEEP, it, told.as_ref().unwrap()).is_err());
        assert!(seen, "{what} went unnoticed");
    }
}

#[tokio::test]
async fn the_check_sees_what_is_told_wrongly() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let told = ask(&ZEEP, &demo.base).await;
    let cases = case::of("zeep");
    let named = |name: &str| cases.iter().find(|it| it.name.starts_with(name)).unwrap();
    let check_planted = |name: &str, pointer: &str, lie: Value| {
        let case = named(name);
        assert_eq!(check(&ZEEP, case, &told), Ok(()), "{name} is right to begin with");
        let mut wrong = told.clone();
        let at = wrong[&case.name].pointer_mut(pointer).unwrap_or_else(|| panic!("{name} has no {pointer}"));
        assert_ne!(*at, lie);
        *at = lie.clone();
        assert!(check(&ZEEP, case, &wrong).is_err(), "{name}: {pointer} as {lie} went unnoticed");
    };
    check_planted("1: ", "/otp", json!("123456"));
    check_planted("2: ", "/otp", json!("DK9CE"));
    check_planted("4: ", "/otp", json!("482913"));
    check_planted("5: ", "/status", json!("Fail"));
    check_planted("6: ", "/id", json!("1"));
    check_planted("7: ", "/header/AuditUsrId", json!("somebody"));
    check_planted("8: ", "/header/jXLogTrackingId", json!(""));
    check_planted("a header with all", "/header/WorkflowCorrelId", json!(null));
    check_planted("a header with all", "/header/AuditUsrId", json!("O'Brien &amp; &lt;Sons&gt; \"x\" Škoda 電"));
    check_planted("the same again", "/id", json!("72e67057-a1d8-4d29-b5fe-95b2d5b1d39f"));
    check_planted("Ping", "/pinged", json!("harbor &amp; &lt;quay&gt;"));
    check_planted("several", "/raised", json!("Exception"));
    check_planted("several", "/fault/code", json!("s:Server"));
    check_planted("several", "/fault/message", json!("3147"));
    check_planted("several", "/fault/rules", json!([]));
    check_planted("several", "/fault/rules/0/code", json!("3160"));
    check_planted("several", "/fault/rules/1/value", json!("<%$otp%> <%name%>"));
    check_planted("several", "/fault/rules/2/element", json!(null));
    check_planted("several", "/fault/rules/3/description", json!("Outside."));
    check_planted("several", "/fault/rules/4/category", json!("Warning"));
    check_planted("a fault with all", "/fault/header/InstEnv", json!("PROD"));
    check_planted("a wrong password, by Basic", "/fault/message", json!("Wrong password."));
    check_planted("an unknown recipient", "/fault/rules/0/value", json!("NOBODY"));
    assert!(check(&NODE, named("several"), &told).is_err(), "another client's exception went unnoticed");
    assert!(check(&ZEEP, named("several"), &json!({})).is_err(), "silence went unnoticed");
}

#[test]
fn a_timestamp_too_many_or_too_few_is_seen() {
    let exchange = |request: &str, answer: &str| Exchange { request: request.into(), status: 200, answer: answer.into() };
    let has = "<wsu:Timestamp>";
    check_timestamps(&[exchange(has, has), exchange("", "")], 1);
    for (exchanges, least) in [(exchange(has, ""), 1), (exchange("", has), 0), (exchange("", ""), 1)] {
        let seen = std::panic::catch_unwind(|| check_timestamps(&[exchanges], least));
        assert!(seen.is_err());
    }
}
