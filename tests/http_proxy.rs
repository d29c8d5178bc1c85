//! Behind a proxy: whom it speaks for is believed of a trusted one only.

mod http_stand;

use countersign::http::Settings;
use http_stand::*;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const REPLY: &str = "From=%2B12025550123&To=28849&Body=123456&MessageSid=SM1";
/// `publisher:wrong`
const WRONG: &str = "Authorization: Basic cHVibGlzaGVyOndyb25n\r\n";

// Loopback is what every test connects from.
fn behind(proxies: &str) -> Settings {
    toml::from_str(&format!("trusted_proxies = {proxies}\n[auth]\nfailures_per_pair = 2\nfailures_per_user = 1000")).unwrap()
}

const TRUSTED: &str = "['127.0.0.0/8']";

#[tokio::test]
async fn https_at_a_trusted_proxy_counts_as_tls() {
    let check = async |proxies: &str, headers: &str, expected: u16| {
        let stand = stand(behind(proxies), &generated()).await;
        let got = stand.post(IMS, &format!("{BASIC}{headers}"), &envelope("")).await;
        assert_eq!((got.status, got.body.contains("over TLS only")), (expected, expected != 200), "{proxies} {headers}: {}", got.body);
    };
    let (client, https) = ("X-Forwarded-For: 192.0.2.7\r\n", "X-Forwarded-Proto: https\r\n");
    check(TRUSTED, &format!("{client}{https}"), 200).await;
    check(TRUSTED, client, 500).await;
    check(TRUSTED, &format!("{client}X-Forwarded-Proto: http\r\n"), 500).await;
    // Without a proxy that is trusted, this is loopback, whatever it says.
    check("[]", client, 200).await;
    check("['10.0.0.0/8']", client, 200).await;
}

#[tokio::test]
async fn the_contract_tells_the_scheme_that_the_client_used() {
    let stand = stand(behind(TRUSTED), &[]).await;
    let wsdl = stand.get(&format!("{IMS}?wsdl"), "X-Forwarded-Proto: https\r\n").await.body;
    assert!(wsdl.contains(&format!("https://h{IMS}")), "{wsdl}");
}

#[tokio::test]
async fn a_publishers_networks_are_those_of_the_client() {
    let mut credential = generated().remove(0);
    credential.allow = vec!["192.0.2.0/24".parse().unwrap()];
    let check = async |proxies: &str, from: &str, expected: u16| {
        let stand = stand(behind(proxies), std::slice::from_ref(&credential)).await;
        let got = stand.post(IMS, &format!("{BASIC}X-Forwarded-Proto: https\r\nX-Forwarded-For: {from}\r\n"), &envelope("")).await;
        assert_eq!(got.status, expected, "{proxies} {from}: {}", got.body);
    };
    check(TRUSTED, "192.0.2.7", 200).await;
    check(TRUSTED, "192.0.2.7, 203.0.113.1", 500).await;
    check(TRUSTED, "203.0.113.1, 192.0.2.7", 200).await;
    check(TRUSTED, "192.0.2.7, garbage", 500).await;
    check("[]", "192.0.2.7", 500).await;
}

#[tokio::test]
async fn a_gateways_network_is_that_of_the_client() {
    let check = async |proxies: &str, from: &str, expected: u16| {
        let stand = stand(behind(proxies), &[]).await;
        let got = stand.post("/inbound/sms/sandbox", &format!("{FORM}X-Forwarded-For: {from}\r\n"), REPLY).await;
        assert_eq!(got.status, expected, "{proxies} {from}: {}", got.body);
    };
    check(TRUSTED, "192.0.2.7", 403).await;
    check(TRUSTED, "127.0.0.9", 200).await;
    check("[]", "192.0.2.7", 200).await;
}

#[tokio::test]
async fn who_guesses_is_stopped_and_not_its_neighbour() {
    let check = async |proxies: &str, expected: u16| {
        let stand = stand(behind(proxies), &generated()).await;
        let from = |ip: &str| format!("X-Forwarded-Proto: https\r\nX-Forwarded-For: {ip}\r\n");
        for _ in 0..2 {
            assert_eq!(stand.post(IMS, &format!("{WRONG}{}", from("203.0.113.1")), &envelope("")).await.status, 500);
        }
        let guesser = stand.post(IMS, &format!("{BASIC}{}", from("203.0.113.1")), &envelope("")).await;
        assert_eq!(guesser.status, 500, "{proxies}");
        let neighbour = stand.post(IMS, &format!("{BASIC}{}", from("192.0.2.7")), &envelope("")).await;
        assert_eq!(neighbour.status, expected, "{proxies}: {}", neighbour.body);
    };
    check(TRUSTED, 200).await;
    // What an untrusted peer says of itself gives it no new name.
    check("[]", 500).await;
}
