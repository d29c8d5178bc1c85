//! The codec against golden messages: each published use case read and answered, every form of fault, and what is refused.
//!
//! `fixtures/soap/` holds the requests, what they are read as (`.txt`), and the answers byte for byte. After a wanted
//! change run with `BLESS=1` and review the difference.

use countersign::domain::code::Secret;
use countersign::domain::event::Act;
use countersign::domain::fault::Violation;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, EventId};
use countersign::domain::request::{Field, Header, OobValidate};
use countersign::domain::time::Timestamp;
use countersign::soap::{self, Call, EesAnswer, EesPush, Fault, Malformed, Opened, Operation, Problem, Root, Stamp, Version};
use std::fmt::Write as _;
use std::path::PathBuf;

const TPG: &str = "http://jackhenry.com/jxchange/TPG/2008";
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

#[test]
fn each_published_use_case_is_read_and_answered() {
    for case in 1..=8 {
        let name = format!("case{case}");
        let bytes = std::fs::read(fixture(&format!("{name}.request.xml"))).unwrap();
        let call = soap::read(&bytes, Some("text/xml; charset=utf-8"), Some("\"http://jackhenry.com/ws/OOBValidate\"")).unwrap();
        let stamp = call.is_stamped().then(stamp);
        let Operation::OobValidate { root, request } = &call.operation else { panic!("{name} is no OOBValidate") };
        golden(&format!("{name}.read.txt"), &shown(&call, *root, request));
        let otp = (case != 4 && case != 5 && case != 6).then(|| Secret::new(if case == 1 { "K7QXM" } else { "561126" }));
        let header = request.header.as_ref().unwrap();
        let answer = Opened { version: call.version, root: *root, header, tracking_id: "filled-1", id: id(), otp: otp.as_ref(), stamp };
        golden(&format!("{name}.response.xml"), &text(answer.write()));
    }
}

#[test]
fn every_fault_has_its_form_in_both_versions() {
    let header =
        Header { audit_usr_id: Some("u".into()), audit_ws_id: Some("w".into()), tracking_id: Some("t-2".into()), ..Header::default() };
    let list = [
        Violation::new(3154, "AlrtName", "Either AlrtName or PhoneNum is required."),
        Violation::new(3160, "OOBExpSec", "Outside 15-3600.").with_value("7"),
        Violation::new(3157, "SMSText", "No tag but an OTP tag.").with_value("canary 561126"),
        Violation { code: 2005, text: "a < b & c".into(), element: None, value: Some("canary".into()) },
    ];
    let one_id = Header { audit_usr_id: Some("u".into()), bus_correl_id: Some("b".into()), ..Header::default() };
    let broken = soap::read(envelope(SOAP11, "\n <b>", "").as_bytes(), None, None).unwrap_err();
    let page = soap::read(b"<html/>", None, None).unwrap_err();
    let strange = envelope(SOAP12, "<x:Block xmlns:x=\"urn:x\" s:mustUnderstand=\"true\"/>", "");
    let strange = soap::read(strange.as_bytes(), Some("application/soap+xml"), None).unwrap_err();
    let faults = [
        ("rules", Fault::Violations { header: Some(&header), list: &list }),
        ("rules-without-header", Fault::Violations { header: None, list: &list[..1] }),
        ("rules-one-id", Fault::Violations { header: Some(&one_id), list: &list[..1] }),
        ("malformed", Fault::Malformed(&broken)),
        ("version-mismatch", Fault::Malformed(&page)),
        ("must-understand", Fault::Malformed(&strange)),
        ("denied", Fault::Denied),
        ("server", Fault::Server { correlation: "c-1" }),
        ("busy", Fault::Busy { correlation: "c-1" }),
    ];
    for (name, fault) in faults {
        for (version, tag, stamp) in [(Version::V11, "11", None), (Version::V12, "12", Some(stamp()))] {
            let (status, body) = soap::write_fault(version, &fault, stamp);
            let body = text(body);
            assert!(!body.contains("canary"), "{name} shows a secret");
            golden(&format!("fault-{name}.{tag}.xml"), &format!("{body}\n<!-- HTTP {status} -->"));
        }
    }
}

#[test]
fn each_code_of_the_contract_is_written_alike() {
    let codes = [
        2001, 2002, 2003, 2005, 2016, 2017, 2021, 2205, 2401, 2505, 2700, 3103, 3121, 3124, 3126, 3147, 3154, 3155, 3156, 3157, 3158, 3160,
        39001, 39019,
    ];
    for code in codes {
        let list = [Violation::new(code, "AlrtName", "Why.")];
        let (status, body) = soap::write_fault(Version::V11, &Fault::Violations { header: None, list: &list }, None);
        let record = format!("<ErrCode>{code}</ErrCode><ErrCat>Error</ErrCat><ErrDesc>Why.</ErrDesc><ErrElem>AlrtName</ErrElem>");
        assert_eq!(status, 500);
        assert!(text(body).contains(&record), "{code}");
    }
}

#[test]
fn markers_nest_as_deep_as_there_is_a_value() {
    let markers = |header: Header| {
        let answer = Opened { header: &header, ..opened(&header) };
        text(answer.write()).matches("<Ver_").count()
    };
    let base = || Header { tracking_id: Some("t".into()), ..Header::default() };
    assert_eq!(markers(base()), 1);
    assert_eq!(markers(Header { inst_env: Some("x".into()), ..base() }), 2);
    assert_eq!(markers(Header { bus_correl_id: Some("x".into()), ..base() }), 3);
    assert_eq!(markers(Header { workflow_correl_id: Some("x".into()), ..base() }), 4);
    assert_eq!(markers(Header { valid_consm_prod: Some("x".into()), ..base() }), 5);
    let header = Header { bus_correl_id: Some("b-1".into()), ..Header::default() };
    let whole = text(opened(&header).write());
    let nested = "<JxVer>2024.1.03</JxVer><AuditUsrId></AuditUsrId><AuditWsId></AuditWsId><Ver_1/><jXLogTrackingId>filled-1\
                  </jXLogTrackingId><Ver_2/><Ver_3/><BusCorrelId>b-1</BusCorrelId></jXchangeHdr>";
    assert!(whole.contains(nested), "{whole}");
}

#[test]
fn markers_in_requests_mean_nothing() {
    let expected = header_of("<AuditUsrId>u</AuditUsrId><BusCorrelId>b</BusCorrelId><InstRtId>i</InstRtId>");
    for variant in [
        "<AuditUsrId>u</AuditUsrId><Ver_1/><Ver_2/><InstRtId>i</InstRtId><Ver_3/><BusCorrelId>b</BusCorrelId><Ver_4/><Ver_5/><Ver_6/>",
        "<Ver_6/><Ver_3/><BusCorrelId>b</BusCorrelId><Ver_1/><InstRtId>i</InstRtId><AuditUsrId>u</AuditUsrId>",
        "<InstRtId>i</InstRtId><Ver_6/><Later>x<Deep/></Later><AuditUsrId>u</AuditUsrId><BusCorrelId>b</BusCorrelId>",
        "<AuditUsrId> u\n</AuditUsrId><BusCorrelId><!-- c --><![CDATA[b]]></BusCorrelId><InstRtId>&#x69;</InstRtId><JxVer xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>",
    ] {
        assert_eq!(header_of(variant), expected, "{variant}");
    }
}

#[test]
fn nil_is_absence_or_null() {
    let request = body_of(
        "<AlrtName JHANull=\"true\">ignored</AlrtName><PhoneNum xmlns:j=\"http://jackhenry.com/jxchange/TPG/2008\" j:JHANull=\"true\"/>\
         <PubVer JHANull=\"false\" Rstr=\"x\" SrchType=\"Exact\">1</PubVer><OOBRecipInfoRec><ConsmRecipId JHANull=\"true\"/>\
         <OOBRecipInfoArray><OOBRecipConIdInfoRec JHANull=\"true\"/><OOBRecipConIdInfoRec><RecipConId xmlns:n=\"http://www.w3.org/2001/XMLSchema-instance\" n:nil=\" 1 \"/></OOBRecipConIdInfoRec>\
         </OOBRecipInfoArray></OOBRecipInfoRec><SMSText/><AlrtDataInfoArray><AlrtDataInfoRec><Name>a</Name><Val/><Name JHANull=\"1\"/><Val JHANull=\"true\"/>\
         <Name>c</Name></AlrtDataInfoRec><AlrtDataInfoRec><Val>d</Val></AlrtDataInfoRec></AlrtDataInfoArray>",
    );
    assert_eq!((request.alrt_name, request.phone_num, request.pub_ver), (None, None, Some("1".into())));
    assert_eq!(request.sms_text, None);
    let recipient = request.recipient.unwrap();
    assert_eq!((recipient.id, recipient.contacts), (Field::Null, vec![Field::Null]));
    let named = |name: &str| Field::Text(name.into());
    let expected = [(named("a"), Some(Secret::new(""))), (Field::Null, None), (named("c"), None), (Field::Absent, Some(Secret::new("d")))];
    assert_eq!(request.data, expected);
}

#[test]
fn encodings_prefixes_and_versions_are_read_alike() {
    let plain = ping(SOAP11, "héllo <&> 😀");
    let wide: Vec<u8> = format!("\u{FEFF}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, media) in [
        (plain.clone().into_bytes(), Some("text/xml; charset=utf-8")),
        (format!("\u{FEFF}{plain}").into_bytes(), None),
        (wide, Some("text/xml; charset=utf-16")),
        (ping(SOAP12, "héllo <&> 😀").into_bytes(), Some("application/soap+xml; charset=utf-8; action=\"http://jackhenry.com/ws/Ping\"")),
    ] {
        let Operation::Ping { root: Root::Schema, text } = soap::read(&bytes, media, None).unwrap().operation else { panic!("no Ping") };
        assert_eq!(text, "héllo <&> 😀");
    }
    let tutorial = envelope(SOAP11, "", &format!("<PingRq xmlns=\"{TPG}\">x</PingRq>"));
    let Operation::Ping { root: Root::Tutorial, text } = soap::read(tutorial.as_bytes(), None, Some("")).unwrap().operation else {
        panic!("no Ping")
    };
    assert_eq!(text, "x");
    assert!(String::from_utf8(soap::pong(Version::V12, Root::Tutorial, "a<b", None)).unwrap().contains(">a&lt;b</PingRs>"));
}

#[test]
fn security_is_read_as_claimed() {
    let token = format!(
        "<w:Security xmlns:w=\"{WSSE}\" xmlns:u=\"{WSU}\" s:mustUnderstand=\"1\"><u:Timestamp u:Id=\"T\"><u:Created>2026-01-01T00:00:00Z</u:Created>\
         <u:Expires>2026-01-01T00:05:00Z</u:Expires></u:Timestamp><w:UsernameToken><w:Username> demo </w:Username>\
         <w:Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">d=</w:Password>\
         <w:Nonce>bm9uY2U=</w:Nonce><u:Created>2026-01-01T00:00:00Z</u:Created></w:UsernameToken><w:Other><deep/></w:Other></w:Security>"
    );
    let message = envelope(SOAP11, &token, &format!("<Ping xmlns=\"{TPG}\"/>"));
    let security = soap::read(message.as_bytes(), None, None).unwrap().security.unwrap();
    let user = security.token.unwrap();
    assert_eq!((user.username.as_str(), user.nonce.as_deref()), ("demo", Some("bm9uY2U=")));
    assert_eq!(user.password, Some(soap::Password::Digest(Secret::new("d="))));
    assert_eq!(user.created.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(security.timestamp.unwrap().expires.as_deref(), Some("2026-01-01T00:05:00Z"));
    let elsewhere = token.replace("s:mustUnderstand=\"1\"", "s:mustUnderstand=\"1\" s:actor=\"urn:someone-else\"");
    let message = envelope(SOAP11, &elsewhere, &format!("<Ping xmlns=\"{TPG}\"/>"));
    assert_eq!(soap::read(message.as_bytes(), None, None).unwrap().security, None);
    let twice = envelope(SOAP11, &format!("{token}{token}"), &format!("<Ping xmlns=\"{TPG}\"/>"));
    let refused = soap::read(twice.as_bytes(), None, None).unwrap_err();
    assert!(refused.stamped && refused.to_string().ends_with("The Security header comes twice."));
}

#[test]
fn what_the_contract_does_not_allow_is_refused_with_its_place() {
    let oob = |inner: &str| envelope(SOAP11, "", &format!("<OOBValidate xmlns=\"{TPG}\">{inner}</OOBValidate>"));
    check(&oob("<OOBExpSecs>1</OOBExpSecs>"), "The element OOBExpSecs is not expected here.");
    check(&oob("<PhoneNum>1</PhoneNum><PhoneNum>2</PhoneNum>"), "The element PhoneNum comes twice.");
    check(&oob("<Custom/><Custom/>"), "The element Custom comes twice.");
    check(&oob("<PhoneNum xmlns=\"\">1</PhoneNum>"), "or its namespace is not the contract's.");
    check(&oob("<Ver_1/><x:Later xmlns:x=\"urn:x\"/>"), "or its namespace is not the contract's.");
    check(&oob("<PhoneNum>1<b/></PhoneNum>"), "Only text is allowed in this element.");
    check(&oob("stray"), "Text is not allowed here.");
    check(&oob("<MsgRqHdr><jXchangeHdr><Ver_1/><Later/></jXchangeHdr></MsgRqHdr>"), "The element Later is not expected here.");
    check(&envelope(SOAP11, "", ""), "The Body is empty.");
    check(&envelope(SOAP11, "", "<OOBValidate/>"), "no operation of this service.");
    check(&envelope(SOAP11, "", "<OOBValidate xmlns=\"urn:evil\"/>"), "no operation of this service.");
    check(&envelope(SOAP11, "", &format!("<Ping xmlns=\"{TPG}\"/><Ping xmlns=\"{TPG}\"/>")), "more than one element.");
    check(&ping(SOAP11, "x").replace("</s:Envelope>", "<s:Body/></s:Envelope>"), "An element follows the Body.");
    check(&ping("urn:soap", "x"), "no envelope of SOAP 1.1 or SOAP 1.2.");
    check(&format!("<s:Envelope xmlns:s=\"{SOAP11}\"/>"), "The envelope's Body is missing here.");
    assert!(
        soap::read(oob("<Ver_1/><Later a=\"1\"><Deep/></Later><Custom><x xmlns=\"urn:x\">y</x></Custom>").as_bytes(), None, None).is_ok()
    );
}

#[test]
fn refusals_are_answered_in_kind() {
    let twelve = ping(SOAP12, "x").replace("PingRq>", "Pong>");
    let refused = soap::read(twelve.as_bytes(), Some("application/soap+xml"), None).unwrap_err();
    assert_eq!((refused.version, refused.position.unwrap().line), (Version::V12, 1));
    assert_eq!(soap::read(b"\xFF", Some("application/soap+xml"), None).unwrap_err().version, Version::V12);
    let mixed = soap::read(ping(SOAP12, "x").as_bytes(), Some("text/xml"), None).unwrap_err();
    assert_eq!((mixed.version, mixed.position), (Version::V12, None));
    let contradicted = soap::read(ping(SOAP11, "x").as_bytes(), None, Some("\"http://jackhenry.com/ws/OOBValidate\"")).unwrap_err();
    assert!(contradicted.to_string().starts_with("The SOAPAction contradicts the body"));
    let block = "<x:B xmlns:x=\"urn:x\" s:mustUnderstand=\"1\"/>";
    let must = soap::read(envelope(SOAP11, block, "").as_bytes(), None, None).unwrap_err();
    assert_eq!(must.problem, Problem::MustUnderstand { namespace: "urn:x".into(), name: "B".into() });
    let not_ours = block.replace("/>", " s:actor=\"urn:someone-else\"/>");
    assert!(soap::read(envelope(SOAP11, &not_ours, &format!("<Ping xmlns=\"{TPG}\"/>")).as_bytes(), None, None).is_ok());
}

#[test]
fn events_are_pushed_and_answers_read_leniently() {
    let event = |number: u64, feedback: &str| FeedEvent {
        seq: number,
        id: EventId::parse("0193a1c0-0000-7000-8000-000000000001").unwrap(),
        number: 90040,
        act: Act::Verified,
        at: Timestamp::from_millis(1_770_000_000_000),
        institution: "011001276".into(),
        product: "Demo".into(),
        publisher: "demo".into(),
        aggregate: id(),
        data: vec![
            ("AlrtEventTimeDt", "2026-02-02T02:40:00.000Z".into()),
            ("ENSActCode", "OOBVerified".into()),
            ("ENSFeedback", feedback.into()),
        ],
    };
    let events = [event(1, "The reply was right."), event(2, "a < b & c")];
    let push = EesPush {
        audit_usr_id: None,
        audit_ws_id: "countersign",
        product: "ENS",
        tracking_id: "t-9",
        environment: Some("TEST"),
        stamp: stamp(),
        events: &events,
    };
    golden("ees-event-add.xml", &text(push.write()));
    golden(
        "ees-event-add-plain.xml",
        &text(EesPush { audit_usr_id: Some("svc"), environment: None, events: &events[..1], ..push }.write()),
    );

    let stamped = format!("<o:Security xmlns:o=\"{WSSE}\"><u:Timestamp xmlns:u=\"{WSU}\"/></o:Security>");
    let good = "<EESEventAddResponse xmlns=\"http://jackhenry.com/jxchange/JES/2008\"><JESMsgRsHdr/></EESEventAddResponse>";
    let media = Some("text/xml; charset=utf-8");
    let read = |message: &str, media| EesAnswer::read(message.as_bytes(), media);
    assert_eq!(read(&envelope(SOAP11, &stamped, good), media), EesAnswer::Acknowledged { odd: None });
    let odd = |message: &str, media| match read(message, media) {
        EesAnswer::Acknowledged { odd: Some(odd) } => odd,
        other => panic!("{other:?}"),
    };
    assert_eq!(odd(&envelope(SOAP11, "", good), media), "The answer has no Timestamp.");
    assert_eq!(odd(&envelope(SOAP11, &stamped, "<Ok/>"), media), "The Body is not an EESEventAddResponse.");
    assert_eq!(odd(&envelope(SOAP11, &stamped, ""), media), "The Body is not an EESEventAddResponse.");
    assert_eq!(odd(&envelope(SOAP11, &stamped, good), Some("text/html")), "The content type is not text/xml.");
    let denied = EesAnswer::Fault { code: "s:Client".into(), text: "No.".into() };
    let fault = "<s:Fault><faultcode>s:Client</faultcode><faultstring> No. </faultstring><detail><x/></detail></s:Fault>";
    assert_eq!(read(&envelope(SOAP11, &stamped, fault), media), denied);
    let fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>s:Client</s:Value></s:Subcode></s:Code><s:Reason>\
                 <s:Text xml:lang=\"en\">No.</s:Text></s:Reason></s:Fault>";
    assert_eq!(read(&envelope(SOAP12, "", fault), Some("application/soap+xml")), denied);
    for page in ["", "OK", "<html><body>Busy</body></html>", &format!("<s:Envelope xmlns:s=\"{SOAP11}\"/>")] {
        assert!(matches!(read(page, media), EesAnswer::Unreadable(_)), "{page}");
    }
}

#[track_caller]
fn check(message: &str, expected: &str) {
    let refused: Malformed = soap::read(message.as_bytes(), Some("text/xml"), None).unwrap_err();
    assert!(refused.position.is_some(), "{refused}");
    assert!(refused.to_string().ends_with(expected), "{refused}");
}

fn header_of(inner: &str) -> Header {
    body_of(&format!("<MsgRqHdr><jXchangeHdr>{inner}</jXchangeHdr></MsgRqHdr>")).header.unwrap()
}

fn body_of(inner: &str) -> OobValidate {
    let message = envelope(SOAP11, "", &format!("<q:OOBValidateRq xmlns:q=\"{TPG}\" xmlns=\"{TPG}\">{inner}</q:OOBValidateRq>"));
    match soap::read(message.as_bytes(), None, None).unwrap().operation {
        Operation::OobValidate { request, root: Root::Tutorial } => *request,
        other => panic!("{other:?}"),
    }
}

fn ping(soap: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    envelope(soap, "", &format!("<p:Ping xmlns:p=\"{TPG}\"><p:PingRq>{text}</p:PingRq><p:Ver_1/></p:Ping>"))
}

fn envelope(soap: &str, head: &str, body: &str) -> String {
    format!("<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"{soap}\"><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>")
}

fn opened(header: &Header) -> Opened<'_> {
    Opened { version: Version::V11, root: Root::Schema, header, tracking_id: "filled-1", id: id(), otp: None, stamp: None }
}

// Everything read, secrets in clear: fixtures hold none that are real.
fn shown(call: &Call, root: Root, request: &OobValidate) -> String {
    let mut out = String::new();
    let clear = |secret: &Option<Secret>| secret.as_ref().map(|it| it.expose().to_owned());
    writeln!(out, "{:?} {root:?}\nsecurity: {:?}", call.version, call.security).unwrap();
    let mut rest = request.clone();
    for (name, secret) in [("SMSText", rest.sms_text.take()), ("VerifVal", rest.verif_val.take()), ("salt", rest.encrypt_salt.take())] {
        writeln!(out, "{name}: {:?}", clear(&secret)).unwrap();
    }
    for (name, value) in std::mem::take(&mut rest.data) {
        writeln!(out, "data: {name:?} = {:?}", clear(&value)).unwrap();
    }
    writeln!(out, "{rest:#?}").unwrap();
    out
}

fn stamp() -> Stamp {
    let created = Timestamp::from_millis(1_770_000_000_000);
    Stamp { created, expires: created.plus(std::time::Duration::from_secs(300)) }
}

fn id() -> AggregateId {
    AggregateId::parse("72e67057-a1d8-4d29-b5fe-95b2d5b1d39f").unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/soap").join(name)
}

#[track_caller]
fn golden(name: &str, actual: &str) {
    let path = fixture(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs");
}
