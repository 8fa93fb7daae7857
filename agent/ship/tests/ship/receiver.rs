//! A small HTTP/1.1 server on loopback that keeps what it gets, and answers well or badly as a test says.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) raw: Vec<u8>,
    /// The body, unpacked.
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// A length is promised, so many bytes come, then the connection is closed in order.
    Truncated {
        promised: usize,
        body: Vec<u8>,
    },
    /// The same, and then it is reset.
    ResetMidway {
        promised: usize,
        body: Vec<u8>,
    },
    /// It is reset before anything is said.
    Reset,
    /// Nothing is ever said.
    Hang,
    /// A byte now and then.
    Drip {
        body: Vec<u8>,
        every: Duration,
    },
    /// A body without a length that never ends.
    Endless,
    /// A body whose length nobody says: it ends with the connection.
    UntilClosed {
        body: Vec<u8>,
    },
}

pub(crate) fn reply(status: u16, body: &str) -> Reply {
    Reply::Whole { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

pub(crate) fn with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply::Whole { status, headers, body: body.as_bytes().to_vec() }
}

type Answers = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// A server that runs.
pub(crate) struct Receiver {
    port: u16,
    is_encrypted: bool,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Without TLS. The answers are given the request and how many came before.
    pub(crate) async fn plain(answers: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(answers)).await
    }

    pub(crate) async fn tls(
        config: Arc<rustls::ServerConfig>,
        answers: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(TlsAcceptor::from(config)), Arc::new(answers)).await
    }

    async fn start(tls: Option<TlsAcceptor>, answers: Arc<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let is_encrypted = tls.is_some();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answers, kept) = (tls.clone(), Arc::clone(&answers), Arc::clone(&kept));
                tokio::spawn(async move {
                    let raw = stream.into_std().unwrap();
                    let second = raw.try_clone().unwrap();
                    let stream = TcpStream::from_std(raw).unwrap();
                    match tls {
                        None => serve(stream, second, &*answers, &kept).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, second, &*answers, &kept).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, is_encrypted, received }
    }

    pub(crate) fn url(&self) -> String {
        // certificates are for this name
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    socket: std::net::TcpStream,
    answers: &Answers,
    kept: &Mutex<Vec<Request>>,
) {
    while let Some(request) = read(&mut stream).await {
        let before = kept.lock().unwrap().len();
        let reply = answers(&request, before);
        kept.lock().unwrap().push(request);
        if !answer(&mut stream, &socket, reply).await {
            return;
        }
    }
}

/// Reads one request: a strict server, which takes a body with a length only.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        assert!(head.len() < 65_536, "a head without an end");
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    assert_eq!(first.next().as_deref(), Some("HTTP/1.1"));
    let fields = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> =
        fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    assert!(!headers.contains_key("transfer-encoding"), "a body without a length");
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut raw = vec![0; length];
    stream.read_exact(&mut raw).await.ok()?;
    let mut body = Vec::new();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        flate2::read::GzDecoder::new(&*raw).read_to_end(&mut body).unwrap();
    } else {
        body.clone_from(&raw);
    }
    Some(Request { method, path, headers, raw, body })
}

/// Whether the connection goes on.
async fn answer<S: AsyncWrite + Unpin>(stream: &mut S, socket: &std::net::TcpStream, reply: Reply) -> bool {
    let promise = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    match reply {
        Reply::Whole { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            let whole = [head.as_bytes(), b"\r\n", &body].concat();
            return stream.write_all(&whole).await.is_ok() && stream.flush().await.is_ok();
        }
        Reply::Truncated { promised, body } => {
            let _ = stream.write_all(&[promise(promised).as_bytes(), &body].concat()).await;
            let _ = stream.shutdown().await;
        }
        Reply::ResetMidway { promised, body } => {
            let _ = stream.write_all(&[promise(promised).as_bytes(), &body].concat()).await;
            let _ = stream.flush().await;
            // the bytes are on their way first
            tokio::time::sleep(Duration::from_millis(50)).await;
            reset(socket);
        }
        Reply::Reset => reset(socket),
        Reply::Hang => std::future::pending().await,
        Reply::Drip { body, every } => {
            let _ = stream.write_all(promise(body.len()).as_bytes()).await;
            for byte in body {
                if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                tokio::time::sleep(every).await;
            }
        }
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"4\r\naaaa\r\n").await.is_ok() {}
        }
        Reply::UntilClosed { body } => {
            let _ =
                stream.write_all(&[b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &*body].concat()).await;
            let _ = stream.shutdown().await;
        }
    }
    false
}

/// From now on the other side sees a reset when the connection is closed.
fn reset(socket: &std::net::TcpStream) {
    TcpStream::from_std(socket.try_clone().unwrap()).unwrap().set_zero_linger().unwrap();
}

/// A private authority, as a fleet or an inspecting proxy has one.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A chain and its key for a name, as PEM; valid until a year.
    pub(crate) fn signs(&self, name: &str, until: i32) -> (String, String) {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// What a server of this name shows.
    pub(crate) fn server(&self, name: &str, until: i32) -> Arc<rustls::ServerConfig> {
        let (chain, key) = self.signs(name, until);
        let config =
            builder().with_no_client_auth().with_single_cert(certificates(&chain), private_key(&key));
        Arc::new(config.unwrap())
    }

    /// The same, and only clients with a certificate of this authority come in.
    pub(crate) fn server_for_known(&self, name: &str) -> Arc<rustls::ServerConfig> {
        let (chain, key) = self.signs(name, 2099);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let known =
            rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
        let config = builder().with_client_cert_verifier(known.unwrap());
        Arc::new(config.with_single_cert(certificates(&chain), private_key(&key)).unwrap())
    }
}

fn builder() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

fn private_key(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}
