//! The corpus against the listener: what gets through to the engine is seen.

use super::check::{Place, answers, check, exchange};
use super::corpus::{Caller, Case, Step, authorization, cases, envelope, request};
use super::http_stand::{Stand, generated, stand};
use countersign::http::Settings;
use countersign::http::settings::{AuthSettings, Limits};

pub const CALLER: Caller = Caller { user: "publisher", password: super::http_stand::SECRET };

/// The limits that we ship, but for waits: what does not go on ends soon. Wrong passwords are not what is tried here.
pub fn settings() -> Settings {
    let limits = Limits { header_timeout_ms: 400, idle_timeout_ms: 400, body_timeout_ms: 400, ..Limits::default() };
    let auth = AuthSettings { failures_per_pair: 1_000, failures_per_address: 1_000, failures_per_user: 1_000, ..AuthSettings::default() };
    Settings { limits, auth, ..Settings::default() }
}

pub fn seen(stand: &Stand) -> (Vec<String>, Vec<String>) {
    let opened = std::mem::take(&mut *stand.fake.opened.lock().unwrap());
    let replies = std::mem::take(&mut *stand.fake.replies.lock().unwrap());
    let phones = opened.into_iter().map(|it| it.1.phone_num.unwrap_or_default()).collect();
    (phones, replies.into_iter().map(|it| it.text.expose().to_owned()).collect())
}

#[tokio::test]
async fn every_case_gets_its_answer() {
    let stand = stand(settings(), &generated()).await;
    let seen = || seen(&stand);
    let place = Place { address: stand.address, caller: CALLER, seen: &seen };
    let mut wrong = Vec::new();
    let all: Vec<Case> = cases().into_iter().filter(|it| it.by.is_none()).collect();
    for case in &all {
        if let Err(why) = check(&place, case).await {
            wrong.push(format!("{} ({}): {}", case.file, case.about, why.chars().take(1_500).collect::<String>()));
        }
        let again = exchange(place.address, vec![Step::Send(good(&CALLER))]).await;
        assert_eq!(answers(&again).unwrap().iter().map(|it| it.status).collect::<Vec<_>>(), [200], "after {}", case.file);
        assert_eq!(seen().0, ["2025550123"], "after {}", case.file);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n\n"));
}

/// A good request, and the end of the connection.
pub fn good(caller: &Caller) -> Vec<u8> {
    request(&format!("Connection: close\r\n{}", authorization(caller)), &envelope()).into_bytes()
}
