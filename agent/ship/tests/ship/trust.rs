//! TLS: who is believed, who is not, and what is said about it.

use mcpolicy_ship::{Http, HttpSettings, Pem, ProxyChoice, Secret, SetupError, Sink as _};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::faults::sink_to;
use crate::receiver::{Authority, Receiver, reply};
use crate::{batch, http, settings};

/// What a sink says of a server that shows this certificate, trusting this authority only.
async fn said(trusted: &Authority, signer: &Authority, name: &str, until: i32) -> Result<usize, String> {
    let receiver = Receiver::tls(signer.server(name, until), |_, _| reply(200, "{}")).await;
    let sent = sink_to(&receiver.url(), http(Some(trusted))).send(&batch(2)).await;
    assert_eq!(sent.is_ok(), receiver.received().len() == 1, "something was sent to somebody unknown");
    sent.map(|receipt| receipt.accepted).map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_authority_of_the_fleet_is_believed_and_another_is_named() {
    let ours = Authority::new("Example Fleet Root");
    assert_eq!(said(&ours, &ours, "localhost", 2099).await, Ok(2));
    let other = Authority::new("Hotel Inspection Root");
    let error = said(&ours, &other, "localhost", 2099).await.unwrap_err();
    assert!(error.contains("tls: ") && error.contains("nobody that this machine trusts"), "{error}");
    assert!(error.contains("signed by Hotel Inspection Root"), "{error}");
}

#[tokio::test]
async fn an_expired_certificate_and_one_for_another_host_are_refused() {
    let ours = Authority::new("Example Fleet Root");
    let error = said(&ours, &ours, "localhost", 2021).await.unwrap_err();
    assert!(error.contains("has expired"), "{error}");
    let error = said(&ours, &ours, "other.example.com", 2099).await.unwrap_err();
    assert!(error.contains("for another host"), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1024];
        let _ = stream.read(&mut some).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    });
    let ours = Authority::new("Example Fleet Root");
    let error = sink_to(&url, http(Some(&ours))).send(&batch(1)).await.unwrap_err();
    assert!(error.to_string().contains("tls: what answers there does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_opens_a_receiver_that_asks_for_one() {
    let ours = Authority::new("Example Fleet Root");
    let receiver = Receiver::tls(ours.server_for_known("localhost"), |_, _| reply(200, "{}")).await;
    let error = sink_to(&receiver.url(), http(Some(&ours))).send(&batch(1)).await.unwrap_err();
    assert!(error.to_string().contains("client certificate"), "{error}");
    let (chain, key) = ours.signs("lap-1", 2099);
    let identity = Some(Secret::new(format!("{chain}{key}")));
    let http = Http::new(&HttpSettings { client_identity: identity, ..settings(Some(&ours)) }).unwrap();
    assert_eq!(sink_to(&receiver.url(), http).send(&batch(1)).await.unwrap().accepted, 1);
}

#[test]
fn settings_that_cannot_be_used_are_told_without_their_secrets() {
    let pem = |text: &str| Pem { name: "/etc/mcpolicy/ca.pem".to_owned(), bytes: text.as_bytes().to_vec() };
    let with = |change: &dyn Fn(&mut HttpSettings)| {
        let mut changed = settings(None);
        change(&mut changed);
        Http::new(&changed).unwrap_err()
    };
    for text in ["", "hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"] {
        let error = with(&|settings| settings.extra_cas = vec![pem(text)]);
        assert_eq!(error, SetupError::Pem { name: "/etc/mcpolicy/ca.pem".to_owned() }, "{text}");
    }
    let secret = || Some(Secret::new("hunter2".to_owned()));
    assert_eq!(with(&|settings| settings.client_identity = secret()), SetupError::Identity);
    for url in
        ["proxy.example.com:3128", "socks5://proxy.example.com", "http://u:hunter2@proxy.example.com", ""]
    {
        let proxy = ProxyChoice::Explicit { url: url.to_owned(), credentials: None };
        let error = with(&|settings| settings.proxy = proxy.clone());
        assert_eq!(error, SetupError::Proxy, "{url}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let proxy =
        ProxyChoice::Explicit { url: "http://proxy.example.com:3128".to_owned(), credentials: secret() };
    assert_eq!(with(&|settings| settings.proxy = proxy.clone()), SetupError::Proxy);
    let shown = format!("{:?}", HttpSettings { client_identity: secret(), ..settings(None) });
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_pac_script_is_told_as_unsupported() {
    let otherwise = Box::new(ProxyChoice::None);
    let proxy = ProxyChoice::Pac { url: "http://wpad.example.com/wpad.dat".to_owned(), otherwise };
    let http = Http::new(&HttpSettings { proxy, ..settings(None) }).unwrap();
    assert_eq!(http.notices(), ["PAC scripts are not run: no proxy is taken instead"]);
}
