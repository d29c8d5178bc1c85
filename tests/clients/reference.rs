//! The reference server of the benchmark, gSOAP's C++ from our WSDL: it must take what we take, or its figure says nothing.

use super::process::{Demo, IMS, element};
use super::{foreign, schema};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &std::path::Path) -> Self {
        let mut child = Command::new(program).arg("0").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").expect("it says where it listens");
        Self { url: format!("http://127.0.0.1:{port}{IMS}"), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "slow tier: clients"]
async fn the_reference_server_takes_what_we_take() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let base = demo.base.clone();
    let program = tokio::task::spawn_blocking(move || foreign::generated(&base).join("server")).await.unwrap();
    let server = Server::start(&program);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |envelope: String, login: bool| {
        let request = client.post(&server.url).header("content-type", "text/xml; charset=utf-8").body(envelope);
        let request = if login { request.basic_auth("demo", Some("demo")) } else { request };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let mut answers = Vec::new();
    for number in 1..=8 {
        let by_token = std::fs::read_to_string(format!("fixtures/soap/case{number}.request.xml")).unwrap();
        let by_basic = std::fs::read_to_string(format!("fixtures/demo/case{number}.xml")).unwrap();
        let ours = demo.envelope(by_basic.clone()).await.body;
        for (envelope, login) in [(by_token, false), (by_basic, true)] {
            let (status, answer) = post(envelope, login).await;
            assert_eq!((status, element(&answer, "RsStat").as_deref()), (200, Some("Success")), "case {number}: {answer}");
            if login {
                assert_eq!(element(&answer, "OTP").is_some(), element(&ours, "OTP").is_some(), "case {number}: {answer}\n{ours}");
            }
            answers.push(answer);
        }
    }
    let broken = std::fs::read_to_string("fixtures/demo/case7.xml").unwrap().replace("2025550137", "202555");
    let (status, refused) = post(broken.clone(), true).await;
    assert_eq!((status, element(&refused, "ErrCode").as_deref()), (500, Some("3147")), "{refused}");
    let (status, denied) = post(broken, false).await;
    assert!(status == 500 && denied.contains("Access is denied."), "{denied}");
    answers.extend([refused, denied]);
    let documents: Vec<&str> = answers.iter().map(String::as_str).collect();
    for (answer, fault) in answers.iter().zip(schema::faults(&documents)) {
        assert!(fault.is_empty(), "{fault}\n{answer}");
    }
}
