//! Syslog over TLS against a listener that counts octets as RFC 5425 says.

use std::sync::Arc;

use mcpolicy_ship::formats::Format;
use mcpolicy_ship::sinks::syslog::{MOST, Syslog, SyslogSettings};
use mcpolicy_ship::{Batch, Limits, Line, Sink as _, SinkError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::receiver::Authority;
use crate::{NOW_MS, batch, http};

/// What a listener does after a connection's first bytes.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Reads to the end and closes in order.
    Orderly,
    /// Breaks off after the handshake.
    Broken,
    /// Reads to the end and never closes.
    Lingering,
}

/// Gives the port, and the frames of each connection.
async fn listener(
    config: Arc<rustls::ServerConfig>,
    manner: Manner,
) -> (u16, mpsc::UnboundedReceiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (give, take) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let zero_linger = manner == Manner::Broken;
            if zero_linger {
                stream.set_zero_linger().unwrap();
            }
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else {
                continue;
            };
            if zero_linger {
                continue;
            }
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            give.send(frames(&bytes)).unwrap();
            if manner == Manner::Lingering {
                std::future::pending::<()>().await;
            }
            stream.shutdown().await.unwrap();
        }
    });
    (port, take)
}

fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let frame = &bytes[space + 1..][..length];
        frames.push(String::from_utf8(frame.to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    frames
}

fn sink(port: u16, authority: &Authority) -> Syslog {
    let settings = SyslogSettings {
        name: "syslog".to_owned(),
        host: "localhost".to_owned(),
        port,
        facility: 16,
        data_id: "mcpolicy@32473".to_owned(),
        format: Format::Native,
        limits: Limits::default(),
    };
    Syslog::new(settings, http(Some(authority))).unwrap()
}

#[tokio::test]
async fn messages_arrive_counted_with_their_ids_as_structured_data() {
    let ours = Authority::new("Example Fleet Root");
    let (port, mut got) = listener(ours.server("localhost", 2099), Manner::Orderly).await;
    let receipt = sink(port, &ours).send(&batch(3)).await.unwrap();
    assert_eq!((receipt.accepted, receipt.cut), (3, 0));
    assert_eq!(receipt.receipt, "read to the end by the receiver");
    let frames = got.recv().await.unwrap();
    assert_eq!(frames.len(), 3);
    let head = concat!(
        "<134>1 2023-11-14T22:13:20.002Z lap-1 mcpolicy - event ",
        r#"[mcpolicy@32473 id="dev-1/event/e/2" class="event" seq="2"] {"schema""#
    );
    assert!(frames[1].starts_with(head), "{}", frames[1]);
    let json: serde_json::Value = serde_json::from_str(frames[1].split_once("] ").unwrap().1).unwrap();
    assert_eq!(json["id"], "dev-1/event/e/2");
}

#[tokio::test]
async fn a_long_record_is_cut_between_characters_and_marked_and_told() {
    let ours = Authority::new("Example Fleet Root");
    let (port, mut got) = listener(ours.server("localhost", 2099), Manner::Orderly).await;
    for filler in 0..4 {
        let json =
            format!(r#"{{"kind":"event","detail":"{}{}"}}"#, "x".repeat(filler), "\u{1f600}".repeat(3000));
        let length = json.len();
        let id = r#"a"b]c\"#.to_owned();
        let line =
            Line { id, class: "violation".to_owned(), seq: 9, time_ms: NOW_MS, json: json.into_bytes() };
        let batch = Batch::new("dev-1", vec![line], true).unwrap();
        assert_eq!(sink(port, &ours).send(&batch).await.unwrap().cut, 1);
        let frames = got.recv().await.unwrap();
        assert!(frames[0].len() <= MOST && frames[0].len() > MOST - 4);
        let head = r#"<132>1 2023-11-14T22:13:20.000Z - mcpolicy - event [mcpolicy@32473 id="a\"b\]c\\" class="violation" seq="9""#;
        assert!(frames[0].starts_with(&format!(r#"{head} cut="{length}"] {{"#)), "{}", &frames[0][..200]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_tried_again() {
    let ours = Authority::new("Example Fleet Root");
    let (port, _got) = listener(ours.server("localhost", 2099), Manner::Broken).await;
    let result = sink(port, &ours).send(&batch(500)).await;
    assert!(matches!(result, Err(SinkError::Retry { .. })), "{result:?}");
    let other = Authority::new("Hotel Inspection Root");
    let (port, _got) = listener(other.server("localhost", 2099), Manner::Orderly).await;
    let error = sink(port, &ours).send(&batch(1)).await.unwrap_err().to_string();
    assert!(
        error.contains("nobody that this machine trusts") && error.contains("Hotel Inspection Root"),
        "{error}"
    );
}

#[tokio::test]
async fn a_receiver_that_never_closes_leaves_the_receipt_open() {
    let ours = Authority::new("Example Fleet Root");
    let (port, mut got) = listener(ours.server("localhost", 2099), Manner::Lingering).await;
    let mut sink = sink(port, &ours);
    let batch = batch(1);
    let sending = tokio::spawn(async move { sink.send(&batch).await });
    assert_eq!(got.recv().await.unwrap().len(), 1);
    // five seconds, which need not be waited for
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    assert_eq!(sending.await.unwrap().unwrap().receipt, "written, not confirmed");
}

#[test]
fn settings_that_break_the_format_are_refused() {
    let good = SyslogSettings {
        name: "syslog".to_owned(),
        host: "logs.example.com".to_owned(),
        port: 6514,
        facility: 16,
        data_id: "mcpolicy@32473".to_owned(),
        format: Format::Native,
        limits: Limits::default(),
    };
    assert!(Syslog::new(good.clone(), http(None)).is_ok());
    for bad in [
        SyslogSettings { host: "a b".to_owned(), ..good.clone() },
        SyslogSettings { facility: 24, ..good.clone() },
        SyslogSettings { data_id: "mcpolicy".to_owned(), ..good.clone() },
        SyslogSettings { data_id: "mc]policy@1".to_owned(), ..good.clone() },
        SyslogSettings { data_id: "mcpolicy@".to_owned(), ..good },
    ] {
        assert!(Syslog::new(bad, http(None)).is_err());
    }
}
