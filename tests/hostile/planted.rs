//! Planted faults: servers that are too tolerant, too strict, or mute. The check must report each, for every case.

use super::check::{Place, check};
use super::corpus::{Case, cases};
use super::stand::CALLER;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that says the same to everybody, and closes.
async fn stand_in(said: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(said.as_bytes()).await;
                let _ = stream.shutdown().await;
                // Read to the end: what is left unread would reset the connection, and take the answer with it.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_to_end(&mut Vec::new())).await;
            });
        }
    });
    address
}

async fn unnoticed(said: &'static str, list: impl Iterator<Item = Case>) -> Vec<String> {
    let address = stand_in(said).await;
    let place = Place { address, caller: CALLER, seen: &|| (Vec::new(), Vec::new()) };
    let mut missed = Vec::new();
    for case in list {
        if check(&place, &case).await.is_ok() {
            missed.push(case.file);
        }
    }
    missed
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// Says yes to all: the one case that it could pass is one whose only promise is a single answer, with nothing behind it.
#[tokio::test]
async fn a_server_that_takes_everything_is_reported() {
    let missed = unnoticed(OK, cases().into_iter()).await;
    assert_eq!(missed, ["smuggle-bare-feeds.http", "smuggle-after-close.http"], "not reported");
}

#[tokio::test]
async fn a_server_that_refuses_everything_alike_is_reported() {
    let missed = unnoticed(REFUSED, cases().into_iter().filter(|it| it.answers != [400] || it.fault.is_some())).await;
    assert!(missed.is_empty(), "not reported: {missed:?}");
}

#[tokio::test]
async fn a_server_that_only_hangs_up_is_reported() {
    let missed = unnoticed("", cases().into_iter().filter(|it| !it.answers.is_empty())).await;
    assert!(missed.is_empty(), "not reported: {missed:?}");
}

/// A server that opens a challenge where none may be opened.
#[tokio::test]
async fn what_was_opened_is_seen_even_when_the_answer_is_right() {
    let address = stand_in(REFUSED).await;
    let case = cases().into_iter().find(|it| it.file == "smuggle-te-not-last.http").unwrap();
    let (opened, clean) = (|| (vec!["2025550123".to_owned()], Vec::new()), || (Vec::new(), Vec::new()));
    let place = Place { address, caller: CALLER, seen: &opened };
    assert!(check(&place, &case).await.unwrap_err().contains("challenges were opened"));
    assert_eq!(check(&Place { address, caller: CALLER, seen: &clean }, &case).await, Ok(()));
}

const INJECTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nEvil: 1\r\n\r\n";

/// A server that lets a value into a head.
#[tokio::test]
async fn a_header_that_is_not_ours_is_reported() {
    let list = cases().into_iter().filter(|it| it.file == "smuggle-bare-feeds.http");
    assert!(unnoticed(INJECTED, list).await.is_empty());
}
