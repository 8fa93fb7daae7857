//! What the network does to a sink: everything that is not an answer is tried again, and nothing of it shows a secret.

use std::time::Duration;

use mcpolicy_ship::formats::Format;
use mcpolicy_ship::sinks::https::{Https, HttpsSettings, Proof};
use mcpolicy_ship::{Http, Limits, Secret, Sink as _, SinkError};

use crate::receiver::{Receiver, Reply, reply, with};
use crate::{batch, clock, http, place};

pub(crate) fn sink_to(url: &str, http: Http) -> Https {
    let settings = HttpsSettings {
        name: "https".to_owned(),
        place: place(&format!("{url}/in?token=hunter2")),
        proof: Proof::Bearer(Secret::new("hunter2".to_owned())),
        format: Format::Native,
        limits: Limits::default(),
    };
    Https::new(settings, http, clock()).unwrap()
}

async fn against(answer: Reply) -> SinkError {
    let receiver = Receiver::plain(move |_, _| answer.clone()).await;
    let error = sink_to(&receiver.url(), http(None)).send(&batch(2)).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("localhost") && text.contains("/in"), "{text}");
    }
    error
}

fn is_retry(error: &SinkError) -> bool {
    matches!(error, SinkError::Retry { after: None, .. })
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_tried_again() {
    let body = b"{\"accepted_through\":2".to_vec();
    for answer in [
        Reply::Reset,
        Reply::ResetMidway { promised: 100, body: body.clone() },
        Reply::Truncated { promised: 100, body: body.clone() },
        Reply::Truncated { promised: 100, body: Vec::new() },
    ] {
        let error = against(answer.clone()).await;
        assert!(is_retry(&error), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up() {
    let started = std::time::Instant::now();
    for answer in [Reply::Hang, Reply::Drip { body: vec![b'a'; 100], every: Duration::from_secs(5) }] {
        let error = against(answer).await;
        assert!(is_retry(&error) && error.to_string().contains("no answer in time"), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_the_end() {
    let error = against(Reply::Endless).await;
    assert!(is_retry(&error) && error.to_string().contains("longer than"), "{error}");
    let long = Reply::Truncated { promised: 1 << 40, body: Vec::new() };
    assert!(against(long).await.to_string().contains("longer than"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let other = Receiver::plain(|_, _| reply(200, "{}")).await;
        let location = format!("{}/in", other.url());
        let error = against(with(status, &[("location", &location)], "")).await;
        let is_moved = matches!(status, 301 | 308);
        assert_eq!(matches!(error, SinkError::Config { .. }), is_moved, "{status}: {error}");
        assert!(error.to_string().contains("(to localhost)"), "{error}");
        assert!(other.received().is_empty(), "{status} was followed");
    }
}

#[tokio::test]
async fn a_web_page_with_status_200_is_a_captive_portal() {
    for answer in [
        with(200, &[("content-type", "text/HTML; charset=utf-8")], "welcome"),
        reply(200, "\u{feff}\r\n <!DOCTYPE html><html>welcome</html>"),
    ] {
        let error = against(answer).await;
        assert!(is_retry(&error) && error.to_string().contains("captive portal"), "{error}");
    }
}

#[tokio::test]
async fn what_a_receiver_says_of_the_batch_is_told_from_what_it_says_of_us() {
    assert!(matches!(against(reply(413, "")).await, SinkError::TooLarge { .. }));
    assert!(matches!(against(reply(400, "")).await, SinkError::Poison { may_try_again: true, .. }));
    assert!(matches!(against(reply(422, "")).await, SinkError::Poison { .. }));
    for status in [401, 403] {
        assert!(matches!(against(reply(status, "")).await, SinkError::Unauthorized { .. }), "{status}");
    }
    for status in [404, 405, 410, 407, 418] {
        assert!(matches!(against(reply(status, "")).await, SinkError::Config { .. }), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(is_retry(&against(reply(status, "")).await), "{status}");
    }
}

#[tokio::test]
async fn nobody_who_listens_and_nobody_of_that_name_are_told_apart() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = sink_to(&format!("http://localhost:{port}"), http(None)).send(&batch(1)).await.unwrap_err();
    assert!(is_retry(&error) && error.to_string().contains("tcp: the connection was refused"), "{error}");
    // a name that never exists (RFC 6761)
    let error = sink_to("https://receiver.invalid", http(None)).send(&batch(1)).await.unwrap_err();
    assert!(is_retry(&error) && error.to_string().contains("dns: "), "{error}");
}
