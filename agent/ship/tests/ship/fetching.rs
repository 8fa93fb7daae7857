//! Policy in: what is fetched is laid down whole, in order, or not at all.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpolicy_ship::fetch::{FetchError, FetchSettings, Fetched, Fetcher, Wanted, Wants};
use mcpolicy_ship::inbox::{DocumentName, Inbox};
use mcpolicy_ship::{HttpSettings, Secret};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

use crate::receiver::{Receiver, Reply, Request, reply, with};
use crate::{clock, place, settings};

const HEAD: &str = r#"{"payload":"aGVhZA==","signatures":[]}"#;
const BODY: &str = r#"{"rules":[]}"#;

fn name(text: &str) -> DocumentName {
    DocumentName::new(text).unwrap()
}

fn fetcher(mirrors: &[&Receiver], inbox: &Path) -> Fetcher {
    let places = mirrors.iter().map(|mirror| place(&format!("{}/policy/", mirror.url()))).collect();
    let fetch = FetchSettings {
        bearer: Some(Secret::new("hunter2".to_owned())),
        grace: Duration::from_millis(300),
        document_timeout: Duration::from_secs(3),
        ..FetchSettings::new(places, name("head.json"))
    };
    // what is slow shall be seen as slow, not as silent
    let patient = HttpSettings { read_timeout: Duration::from_secs(30), ..settings(None) };
    let http = mcpolicy_ship::Http::new(&patient).unwrap();
    Fetcher::new(fetch, http, Inbox::new(inbox.to_owned()), clock()).unwrap()
}

/// What the caller makes of the head here: the body, by its digest.
fn wants(head: &[u8]) -> Option<Wants> {
    assert_eq!(head, HEAD.as_bytes());
    let sha256 = Some(Sha256::digest(BODY).into());
    let body = Wanted { name: name("policy.7.body"), max_bytes: 100, sha256, may_be_absent: false };
    let root = Wanted { name: name("root.2.json"), max_bytes: 100, sha256: None, may_be_absent: true };
    Some(Wants { documents: vec![body, root], poll: Some(Duration::from_secs(1)), is_believed: true })
}

/// A web server with the policy; it knows the tag of the head.
fn site(request: &Request, _: usize) -> Reply {
    assert_eq!(request.header("authorization"), "Bearer hunter2");
    match &*request.path {
        "/policy/head.json" if request.header("if-none-match") == "\"7\"" => reply(304, ""),
        "/policy/head.json" => with(200, &[("etag", "\"7\"")], HEAD),
        "/policy/policy.7.body" => reply(200, BODY),
        _ => reply(404, ""),
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_policy_arrives_and_an_unchanged_head_costs_one_request() {
    let inbox = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(site).await;
    let mut fetcher = fetcher(&[&receiver], inbox.path());
    assert_eq!(fetcher.once(&mut wants).await, Ok(Fetched::New(vec![name("policy.7.body")])));
    assert_eq!(files(inbox.path()), ["head.json", "policy.7.body"]);
    // the head asked for a poll each second, which would be an attack on the site
    assert_eq!(fetcher.poll(), Duration::from_secs(30));
    assert_eq!(fetcher.once(&mut wants).await, Ok(Fetched::Unchanged));
    assert_eq!(receiver.received().len(), 4);
}

/// Fetches from a site whose answer for one document is another; gives back what was said.
async fn when(document: &'static str, answer: Reply) -> String {
    let inbox = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(move |request, before| {
        if request.path.ends_with(document) { answer.clone() } else { site(request, before) }
    })
    .await;
    let mut fetcher = fetcher(&[&receiver], inbox.path());
    let error = fetcher.once(&mut wants).await.unwrap_err().to_string();
    assert_eq!(files(inbox.path()), [""; 0], "{document}: something was handed over");
    assert!(!error.contains("hunter2"), "{error}");
    // a head whose documents failed is no known head
    let _ = fetcher.once(&mut wants).await;
    assert!(receiver.received().iter().all(|request| request.header("if-none-match").is_empty()));
    error
}

#[tokio::test]
async fn rubbish_is_not_handed_over() {
    let cut = BODY.as_bytes()[..5].to_vec();
    for document in ["head.json", "policy.7.body"] {
        for (answer, expected) in [
            (with(200, &[("content-type", "text/html")], "welcome"), "captive portal"),
            (reply(200, "\n<html>welcome</html>"), "captive portal"),
            (with(302, &[("location", "https://portal.example.com/")], ""), "status 302"),
            (reply(403, ""), "status 403"),
            (reply(503, ""), "status 503"),
            (Reply::Truncated { promised: 80, body: cut.clone() }, "ended before"),
            (Reply::ResetMidway { promised: 80, body: cut.clone() }, "http: "),
            (
                Reply::UntilClosed { body: cut.clone() },
                if document == "head.json" { "not all of it" } else { "digest" },
            ),
            (Reply::Truncated { promised: 1 << 30, body: Vec::new() }, "longer than"),
            (Reply::Endless, "longer than"),
            (with(200, &[("content-encoding", "gzip")], "x"), "compressed"),
            (reply(304, ""), "status 304"),
            (Reply::Reset, "http: "),
        ] {
            let error = when(document, answer.clone()).await;
            assert!(error.contains(expected), "{document} {answer:?}: {error}");
        }
    }
    let error = when("policy.7.body", reply(200, r#"{"rules":{}}"#)).await;
    assert!(error.contains("digest"), "{error}");
    let error = when("head.json", reply(200, "{\"payload\":")).await;
    assert!(error.contains("no JSON"), "{error}");
    let error = when("policy.7.body", reply(404, "")).await;
    assert!(error.contains("status 404"), "{error}");
}

#[tokio::test]
async fn a_server_that_drips_does_not_hold_us() {
    let started = std::time::Instant::now();
    let slow = Reply::Drip { body: vec![b' '; 60], every: Duration::from_millis(100) };
    let error = when("policy.7.body", slow).await;
    assert!(error.contains("less than 1024 bytes a second"), "{error}");
    let error = when("head.json", Reply::Hang).await;
    assert!(error.contains("not there within 3 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn another_mirror_serves_when_the_first_does_not() {
    let inbox = tempfile::tempdir().unwrap();
    let broken = Receiver::plain(|request, before| match request.path.ends_with("body") {
        true => reply(500, ""),
        false => site(request, before),
    })
    .await;
    let dead = Receiver::plain(|_, _| Reply::Reset).await;
    let good = Receiver::plain(site).await;
    let mut fetcher = fetcher(&[&dead, &broken, &good], inbox.path());
    assert!(matches!(fetcher.once(&mut wants).await, Ok(Fetched::New(_))));
    assert_eq!(good.received().len(), 3);
    assert_eq!(files(inbox.path()), ["head.json", "policy.7.body"]);
}

#[tokio::test]
async fn a_mirror_that_lags_is_passed_over() {
    let inbox = tempfile::tempdir().unwrap();
    let old = Receiver::plain(|_, _| reply(200, "{}")).await;
    let good = Receiver::plain(site).await;
    let mut newer = |head: &[u8]| (head != b"{}").then(|| wants(head)).flatten();
    let mut fetcher = fetcher(&[&old, &good], inbox.path());
    assert!(matches!(fetcher.once(&mut newer).await, Ok(Fetched::New(_))));
    assert_eq!(old.received().len(), 1);
}

#[tokio::test]
async fn all_mirrors_are_named_when_none_serves() {
    let inbox = tempfile::tempdir().unwrap();
    let first = Receiver::plain(|_, _| reply(503, "")).await;
    let second = Receiver::plain(|_, _| Reply::Reset).await;
    let Err(FetchError::Mirrors(failures)) = fetcher(&[&first, &second], inbox.path()).once(&mut wants).await
    else {
        panic!("served")
    };
    assert_eq!(failures.len(), 2);
}

#[tokio::test]
async fn a_head_that_names_very_much_is_refused() {
    let inbox = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(site).await;
    let mut many = |_: &[u8]| {
        let document = |n| Wanted {
            name: name(&format!("policy.{n}.body")),
            max_bytes: 1,
            sha256: None,
            may_be_absent: true,
        };
        Some(Wants { documents: (0..33).map(document).collect(), poll: None, is_believed: true })
    };
    let error = fetcher(&[&receiver], inbox.path()).once(&mut many).await.unwrap_err();
    assert!(error.to_string().contains("more than 32"), "{error}");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn an_inbox_that_cannot_be_written_is_told() {
    let inbox = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(site).await;
    let error = fetcher(&[&receiver], &inbox.path().join("gone")).once(&mut wants).await.unwrap_err();
    assert!(error.to_string().contains("the inbox cannot be written"), "{error}");
}

#[tokio::test]
async fn a_hint_makes_the_next_poll_at_once_and_a_stop_ends_it() {
    let inbox = tempfile::tempdir().unwrap();
    let receiver = Receiver::plain(site).await;
    let fetcher = fetcher(&[&receiver], inbox.path());
    let (hint, told) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let (stop, stopped) = watch::channel(false);
    let kept = Arc::clone(&told);
    let tell = move |result| kept.lock().unwrap().push(result);
    // the draw puts the first poll minutes away
    let running = tokio::spawn(fetcher.run(wants, || u64::MAX, tell, Arc::clone(&hint), stopped));
    for count in 1..3 {
        hint.notify_one();
        while told.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!((told.len(), &told[1]), (2, &Ok(Fetched::Unchanged)));
}

/// Attack: the first mirror makes up a head, or stands still. The others are asked all the same.
#[tokio::test]
async fn a_head_that_is_not_believed_is_not_laid_down_and_the_next_mirror_is_asked() {
    let inbox = tempfile::tempdir().unwrap();
    let forger = Receiver::plain(|request: &Request, _| match &*request.path {
        "/policy/head.json" => reply(200, r#"{"made":"up"}"#),
        "/policy/root.2.json" => reply(200, "{}"),
        _ => reply(404, ""),
    })
    .await;
    let receiver = Receiver::plain(site).await;
    let mut fetcher = fetcher(&[&forger, &receiver], inbox.path());
    let mut wants = |head: &[u8]| {
        let root = Wanted { name: name("root.2.json"), max_bytes: 100, sha256: None, may_be_absent: true };
        let doubted =
            Wants { documents: vec![root], poll: Some(Duration::from_secs(3600)), is_believed: false };
        if head == HEAD.as_bytes() { wants(head) } else { Some(doubted) }
    };
    assert_eq!(fetcher.once(&mut wants).await, Ok(Fetched::New(vec![name("policy.7.body")])));
    assert_eq!(files(inbox.path()), ["head.json", "policy.7.body", "root.2.json"]);
    assert_eq!(fetcher.poll(), Duration::from_secs(30), "of the head that is believed");
    // each mirror is asked first in its turn
    fetcher.once(&mut wants).await.unwrap();
    assert_eq!(forger.received().len(), 2, "a head and a root: the second mirror was asked first this time");
}

/// Object stores answer 403 to a name that is not there: no new root is no fault of theirs.
#[tokio::test]
async fn a_root_that_is_not_there_yet_stops_no_policy_whatever_the_store_says_of_it() {
    for status in [403, 404, 410] {
        let inbox = tempfile::tempdir().unwrap();
        let receiver = Receiver::plain(move |request: &Request, before| {
            if request.path.ends_with("root.2.json") { reply(status, "") } else { site(request, before) }
        })
        .await;
        let mut fetcher = fetcher(&[&receiver], inbox.path());
        assert_eq!(fetcher.once(&mut wants).await, Ok(Fetched::New(vec![name("policy.7.body")])), "{status}");
    }
}
