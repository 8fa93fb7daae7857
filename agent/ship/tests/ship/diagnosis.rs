//! `doctor` names the hop that fails.

use mcpolicy_ship::diagnose::{Diagnosis, diagnose};
use mcpolicy_ship::{Hop, Http, HttpSettings, ProxyChoice, Secret};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::receiver::{Authority, Receiver, Reply, reply, with};
use crate::{http, place, settings};

async fn of(url: &str, http: &Http) -> Diagnosis {
    let token = Secret::new("Bearer hunter2".to_owned());
    let diagnosis =
        diagnose(http, &place(&format!("{url}/in?token=hunter2")), Some(("authorization", &token))).await;
    assert!(!format!("{diagnosis:?}").contains("hunter2"), "{diagnosis:?}");
    diagnosis
}

fn failed(diagnosis: &Diagnosis) -> (Hop, String) {
    let step = diagnosis.failed().unwrap_or_else(|| panic!("{diagnosis:?}"));
    (step.hop, step.seen.clone())
}

#[tokio::test]
async fn a_good_way_is_shown_hop_by_hop() {
    let ours = Authority::new("Example Fleet Root");
    let receiver = Receiver::tls(ours.server("localhost", 2099), |request, _| {
        assert_eq!((&*request.method, request.header("authorization")), ("GET", "Bearer hunter2"));
        reply(405, "")
    })
    .await;
    let diagnosis = of(&receiver.url(), &http(Some(&ours))).await;
    assert_eq!(diagnosis.failed(), None);
    let hops: Vec<Hop> = diagnosis.steps.iter().map(|step| step.hop).collect();
    assert_eq!(hops, [Hop::Dns, Hop::Tcp, Hop::Tls, Hop::Http]);
    assert!(diagnosis.steps[2].seen.contains("Example Fleet Root"));
}

#[tokio::test]
async fn each_hop_is_named_where_it_fails() {
    let ours = Authority::new("Example Fleet Root");
    let other = Authority::new("Hotel Inspection Root");
    let client = http(Some(&ours));
    assert_eq!(failed(&of("https://receiver.invalid", &client).await).0, Hop::Dns);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(failed(&of(&format!("https://localhost:{port}"), &client).await).0, Hop::Tcp);
    let receiver = Receiver::tls(other.server("localhost", 2099), |_, _| reply(200, "")).await;
    let (hop, seen) = failed(&of(&receiver.url(), &client).await);
    assert!(hop == Hop::Tls && seen.contains("Hotel Inspection Root"), "{hop} {seen}");
    for (answer, expected) in [
        (reply(401, ""), "does not accept our credentials"),
        (reply(403, ""), "does not accept our credentials"),
        (reply(503, ""), "the server has a fault"),
        (with(302, &[("location", "http://portal.example.com/login?x=y")], ""), "(to portal.example.com;"),
        (reply(200, "<html>welcome</html>"), "captive portal"),
        (Reply::Reset, "reset"),
        (Reply::Hang, "no answer in time"),
    ] {
        let receiver = Receiver::tls(ours.server("localhost", 2099), move |_, _| answer.clone()).await;
        let (hop, seen) = failed(&of(&receiver.url(), &client).await);
        assert!(hop == Hop::Http && seen.contains(expected), "{hop}: {seen}, not {expected}");
    }
}

/// A proxy that lets everything through, to this machine.
async fn open_proxy() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    // a connection that is only tried ends here
                    let Ok(byte) = inner.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                let mut outer = TcpStream::connect(target).await.unwrap();
                inner.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inner, &mut outer).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn tls_goes_through_a_proxy_to_the_receiver_itself() {
    let ours = Authority::new("Example Fleet Root");
    let receiver = Receiver::tls(ours.server("localhost", 2099), |request, _| {
        assert!(request.header("proxy-authorization").is_empty(), "the proxy's password is the proxy's");
        reply(405, "")
    })
    .await;
    let port = open_proxy().await;
    let proxy = ProxyChoice::Explicit { url: format!("http://127.0.0.1:{port}"), credentials: None };
    let client = Http::new(&HttpSettings { proxy, ..settings(Some(&ours)) }).unwrap();
    let diagnosis = of(&receiver.url(), &client).await;
    assert_eq!(diagnosis.failed(), None, "{diagnosis:?}");
    let hops: Vec<Hop> = diagnosis.steps.iter().map(|step| step.hop).collect();
    assert_eq!(hops, [Hop::Proxy, Hop::Dns, Hop::Tcp, Hop::Tls, Hop::Http]);
    assert_eq!(receiver.received().len(), 1);
}

fn through(port: u16) -> Http {
    let url = format!("http://localhost:{port}");
    let credentials = Some(Secret::new("mcpolicy:hunter2".to_owned()));
    let proxy = ProxyChoice::Explicit { url, credentials };
    Http::new(&HttpSettings { proxy, ..settings(None) }).unwrap()
}

#[tokio::test]
async fn a_proxy_that_is_gone_or_refuses_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(failed(&of("https://reports.example.com", &through(port)).await).0, Hop::Proxy);
    for status in [403, 407, 502] {
        let proxy = Receiver::plain(move |request, _| {
            assert_eq!((&*request.method, &*request.path), ("CONNECT", "reports.example.com:443"));
            assert_eq!(request.header("proxy-authorization"), "Basic bWNwb2xpY3k6aHVudGVyMg==");
            reply(status, "")
        })
        .await;
        let (hop, seen) = failed(&of("https://reports.example.com", &through(proxy.port())).await);
        assert_eq!(hop, Hop::Proxy, "{status}: {seen}");
        assert_eq!(proxy.received().len(), 1);
    }
}
