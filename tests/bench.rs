//! The load generator: what it counts is what happened, and it takes no failure for a success.

mod process;

use process::bank::{Bank, PASSWORD};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn bench(arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("bench").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs against a server of its own, and checks what holds for every such run.
fn own(more: &[&str]) -> Value {
    let disk = tempfile::tempdir().unwrap();
    let mut arguments = vec!["--json", "--warm-up", "1", "--recipients", "80", "--store", disk.path().to_str().unwrap()];
    arguments.extend(more);
    if !more.contains(&"--duration") {
        arguments.extend(["--duration", "2"]);
    }
    let said = bench(&arguments);
    assert_eq!(said.code, Some(0), "{more:?}: {}\n{}", said.err, said.out);
    let report = said.json();
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer} in {report}"));
    assert!(report["errors"].as_object().unwrap().is_empty() && number("/requests/failed") == 0.0, "{report}");
    assert!(number("/requests/acknowledged") > 0.0, "{report}");
    assert!(number("/requests/acknowledged_in_all") >= number("/requests/acknowledged"), "{report}");
    // What the server counts as opened is asked for over SOAP.
    let beyond = ["reply", "rest-create", "rest-verify", "kafka"].iter().any(|it| more.contains(it));
    let opened = if beyond { 0.0 } else { number("/requests/acknowledged_in_all") };
    assert_eq!(number("/server/opened_in_all"), opened, "what was acknowledged is what the server opened");
    let spread = ["p50", "p90", "p99", "p999", "max"].map(|it| number(&format!("/latency/{it}_us")));
    assert!(spread.is_sorted() && spread[0] > 0.0, "{report}");
    assert!(number("/server/commits") >= number("/server/syncs") && number("/server/syncs") > 0.0, "{report}");
    for positive in ["/server/cpu_us_per_request", "/server/memory_mib", "/disk/syncs", "/disk/p999_us", "/machine/cores"] {
        assert!(number(positive) > 0.0, "{positive} in {report}");
    }
    assert!(report["durability"].as_str().unwrap().contains(report["disk"]["file_system"].as_str().unwrap()), "{report}");
    assert!(number("/load/recipients") == 0.0 || (1_850.0..1_950.0).contains(&number("/load/envelope_bytes")), "{report}");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0, "nothing is left behind");
    report
}

#[test]
fn a_closed_loop_counts_what_the_server_counts() {
    let plot = tempfile::NamedTempFile::new().unwrap();
    let report = own(&["--connections", "4", "--plot", plot.path().to_str().unwrap()]);
    assert_eq!((report["load"]["kind"].as_str(), report["load"]["connections"].as_u64()), (Some("closed"), Some(4)));
    assert_eq!(report["generator"]["connections_opened"], 4, "connections are kept open");
    let svg = std::fs::read_to_string(plot.path()).unwrap();
    let mut reader = quick_xml::Reader::from_str(&svg);
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    assert!(svg.starts_with("<svg") && svg.contains("p99.9") && !svg.contains("NaN"), "{svg}");
}

#[test]
fn an_open_loop_counts_what_the_server_counts() {
    let report = own(&["--connections", "4", "--rate", "20", "--auth", "basic"]);
    assert_eq!((report["load"]["kind"].as_str(), report["load"]["rate"].as_f64()), (Some("open"), Some(20.0)));
}

#[test]
fn a_whole_life_ends_in_an_outcome() {
    let report = own(&["--replies", "--connections", "6"]);
    assert!(report["measured"].as_str().unwrap().starts_with("whole life"), "{report}");
    for stage in ["answer", "message", "reply", "outcome"] {
        let took = &report["stages"][stage]["p50_us"];
        assert!(took.as_u64() > Some(0) && report["latency"]["p50_us"].as_u64() >= took.as_u64(), "{stage}: {report}");
    }
}

#[test]
fn replies_alone_are_counted_off() {
    let report = own(&["--path", "reply", "--prepared", "30", "--connections", "6", "--duration", "60"]);
    assert_eq!(report["requests"]["acknowledged_in_all"], 30, "{report}");
    assert!(report["load"]["duration_s"].as_f64() < Some(60.0), "the run ends with its work: {report}");
}

#[test]
fn creates_over_rest_are_counted() {
    let report = own(&["--path", "rest-create", "--connections", "4"]);
    assert!(report["measured"].as_str().unwrap().starts_with("create over REST"), "{report}");
    assert!(report["server"]["commits"].as_f64() >= report["requests"]["acknowledged"].as_f64(), "each is durable: {report}");
}

#[test]
fn right_codes_over_rest_are_counted_off() {
    let report = own(&["--path", "rest-verify", "--prepared", "40", "--connections", "4", "--duration", "60"]);
    assert_eq!(report["requests"]["acknowledged_in_all"], 40, "{report}");
}

#[cfg(feature = "kafka")]
#[test]
fn codes_asked_for_over_kafka_are_counted() {
    let report = own(&["--path", "kafka", "--connections", "16"]);
    assert!(report["measured"].as_str().unwrap().starts_with("generate over Kafka"), "{report}");
    assert!(report["server"]["commits"].as_f64() >= report["requests"]["acknowledged"].as_f64(), "each is durable: {report}");
}

#[test]
fn a_server_that_lets_nobody_in_is_told_plainly() {
    let bank = Bank::new("[http]\nlisten = '127.0.0.1:0'\n");
    let server = bank.start();
    let url = format!("{}{}", server.base.replace("localhost", "127.0.0.1"), process::IMS);
    bank.write("wrong.password", "not-the-password-of-the-bank");
    bank.write("right.password", PASSWORD);
    let run = |file: &str| {
        let file = bank.path(file);
        let common = ["--json", "--url", &url, "--cases", "7", "--duration", "1", "--warm-up", "0", "--connections", "1", "--user", "bank"];
        bench(&[&common[..], &["--password-file", file.to_str().unwrap()]].concat())
    };
    let wrong = run("wrong.password");
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""), "no figures: {}", wrong.err);
    assert!(wrong.err.contains("was not acknowledged") && wrong.err.contains("Access is denied."), "{}", wrong.err);
    let right = run("right.password").json();
    assert!(right["requests"]["acknowledged"].as_u64() > Some(0), "{right}");
    assert!(right["durability"].as_str().unwrap().starts_with("unknown"), "it promises nothing for others: {right}");
}

/// A server that answers as it is told, by the number of the request.
struct Stub {
    address: SocketAddr,
    acknowledged: Arc<AtomicU64>,
}

impl Stub {
    fn start(answer: fn(u64) -> &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self { address: listener.local_addr().unwrap(), acknowledged: Arc::default() };
        let (count, acknowledged) = (Arc::new(AtomicU64::new(0)), stub.acknowledged.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (count, acknowledged) = (count.clone(), acknowledged.clone());
                std::thread::spawn(move || serve(stream, answer, &count, &acknowledged));
            }
        });
        stub
    }

    fn bench(&self, more: &[&str]) -> Said {
        let url = format!("http://{}{}", self.address, process::IMS);
        let common = ["--json", "--url", &url, "--cases", "7", "--duration", "2", "--warm-up", "0"];
        bench(&[&common[..], more].concat())
    }
}

const SUCCESS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n<r><a:RsStat>Success</a:RsStat></r>";

fn serve(stream: TcpStream, answer: fn(u64) -> &'static str, count: &AtomicU64, acknowledged: &AtomicU64) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|it| it > 2) {
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if length == 0 || reader.read_exact(&mut vec![0; length]).is_err() {
            return;
        }
        let said = answer(count.fetch_add(1, Ordering::SeqCst));
        acknowledged.fetch_add(u64::from(said == SUCCESS), Ordering::SeqCst);
        if reader.get_mut().write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_failure_is_never_counted_as_a_success() {
    // Planted: a fault that looks like HTTP's success, one that does not, and an answer without an answer.
    let stub = Stub::start(|number| {
        std::thread::sleep(Duration::from_millis(1));
        match number {
            20 => "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n<ErrCode>39005</ErrCode></r>",
            30 => "HTTP/1.1 500 No\r\nContent-Length: 49\r\n\r\n<faultstring>Success</faultstring>Success-ish</x> ",
            40 => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => SUCCESS,
        }
    });
    let said = stub.bench(&["--connections", "2"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("3 requests were not acknowledged"), "{}", said.err);
    let report = said.json();
    let expected = serde_json::json!({
        "status 200, fault 39005": 1,
        "status 500, fault \"Success\"": 1,
        "status 200, no acknowledgement": 1,
    });
    assert_eq!(report["errors"], expected);
    // The first request, before anything is measured, is not among them.
    assert_eq!(report["requests"]["acknowledged_in_all"].as_u64().unwrap() + 1, stub.acknowledged.load(Ordering::SeqCst));
}

#[test]
fn a_server_that_stalls_can_not_hide_it() {
    // Planted: one stall of 800 ms. A generator that only counts from the moment of sending would see one slow request.
    let stub = Stub::start(|number| {
        if number == 50 {
            std::thread::sleep(Duration::from_millis(800));
        }
        SUCCESS
    });
    let report = stub.bench(&["--connections", "1", "--rate", "100"]).json();
    assert!(report["latency"]["p90_us"].as_u64() > Some(100_000), "a fifth of all requests were late: {report}");
}

#[test]
fn other_peoples_servers_are_left_alone() {
    let check = |arguments: &[&str], expected: &str| {
        let said = bench(arguments);
        assert!(said.code.is_some_and(|it| it > 0) && said.out.is_empty() && said.err.contains(expected), "{arguments:?}: {}", said.err);
    };
    check(&["--url", "http://192.0.2.1:8080/x"], "--i-run-this-server");
    check(&["--url", "https://127.0.0.1/x"], "http://");
    check(&["--connections", "100000"], "--connections");
    check(&["--duration", "0"], "--duration");
    check(&["--duration", "86400"], "--duration");
    check(&["--cases", "9"], "--cases");
    check(&["--replies", "--cases", "1"], "no reply");
    check(&["--rate", "0"], "--rate");
}
