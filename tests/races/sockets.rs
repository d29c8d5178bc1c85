//! The same through real sockets, against a real process.

use crate::process::{Demo, explicit};
use futures_util::future::join_all;
use std::collections::HashSet;

const PHONE: &str = "2025550123";
const HANDSET: &str = "+12025550123";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_answers_fifty_alike_and_counts_two_hundred_exactly() {
    let data = tempfile::tempdir().unwrap();
    let demo = Demo::start(data.path());
    let request = explicit(PHONE, "Your code is <%$otp%>.", "", Some("b-1"));
    let answers = join_all((0..50).map(|_| demo.soap(&request))).await;
    assert!(answers.iter().all(|it| it.status == 200), "{:?}", answers.iter().map(|it| &it.body).find(|it| it.contains("Fault")));
    let told: HashSet<_> = answers.iter().map(|it| (it.element("AlrtPkgId"), it.element("OTP"))).collect();
    assert_eq!(told.len(), 1, "all get the first answer");
    let (id, code) = told.into_iter().next().unwrap();
    assert_eq!(demo.wait_for_challenge(&id).await.len(), 1);
    // Wrong answers, five of which are allowed, and each posted twice under one provider id.
    let wrong = |nth: usize| (format!("{:06}", (code.parse::<usize>().unwrap() + 1 + nth) % 1_000_000), format!("SM{nth}"));
    let posts = (0..200).map(|nth| wrong(nth / 2));
    join_all(posts.map(async |(text, id)| demo.text(HANDSET, &text, &id).await)).await;
    demo.text(HANDSET, &code, "SM-right").await;
    assert_eq!(demo.outcomes(&id).await, ["OOBFailed"], "it failed once, and the right answer came too late");
    let messages = demo.messages().await;
    assert_eq!(messages.iter().filter(|it| it["body"].as_str().is_some_and(|it| it.contains(&code))).count(), 1, "one message");
}
