//! Syslog by RFC 5424 over TLS (RFC 5425, octet counting).
//!
//! Syslog has no acknowledgement. Each batch gets a connection of its own, which is closed in order: a receiver that closes
//! its side after ours has read everything. One that does not within five seconds leaves it open whether it did, and the
//! receipt says so. Messages have at most 8 KiB, which receivers should take; a longer record is cut and marked.

use std::fmt::Write as _;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::clock::rfc3339;
use crate::formats::Format;
use crate::http::{Http, SetupError};
use crate::sink::{Batch, Limits, Line, Receipt, Sink, SinkError};
use crate::trouble::words_of;
use crate::view::View;

/// Longest message, in bytes.
pub const MOST: usize = 8192;

/// What is set.
#[derive(Debug, Clone)]
pub struct SyslogSettings {
    /// Its name.
    pub name: String,
    /// The receiver's host.
    pub host: String,
    /// Its port, usually 6514.
    pub port: u16,
    /// Facility, 0 to 23.
    pub facility: u8,
    /// Id of the structured data: `name@number`, with the fleet's own enterprise number.
    pub data_id: String,
    /// How records are written.
    pub format: Format,
    /// What is sent at once.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Syslog {
    settings: SyslogSettings,
    server: ServerName<'static>,
    http: Http,
}

/// How long a receiver may take to close its side.
const CLOSING: Duration = Duration::from_secs(5);

impl Syslog {
    /// Makes it. TLS is that of the HTTP client; a proxy is not used, since proxies let nothing through but HTTPS.
    ///
    /// # Errors
    /// Host, facility or the id of the structured data are none.
    pub fn new(settings: SyslogSettings, http: Http) -> Result<Self, SetupError> {
        let fault = |what: &str| SetupError::Sink { sink: settings.name.clone(), what: what.to_owned() };
        let server =
            ServerName::try_from(settings.host.clone()).map_err(|_| fault("not the name of a host"))?;
        if settings.facility > 23 {
            return Err(fault("a facility is a number from 0 to 23"));
        }
        let is_plain = |c: char| c.is_ascii_graphic() && !"=]\" ".contains(c);
        let number = settings.data_id.split_once('@').map(|(_, number)| number);
        let has_number = number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
        if !has_number || settings.data_id.len() > 32 || !settings.data_id.chars().all(is_plain) {
            return Err(fault("the id of structured data is written name@number, 32 characters at most"));
        }
        Ok(Self { settings, server, http })
    }

    /// A message of a line, and whether it was cut.
    fn message(&self, line: &Line) -> (Vec<u8>, bool) {
        let view = View::of(&line.json);
        let priority = self.settings.facility * 8 + severity(view.severity(&line.class));
        let host = header_word(view.device.hostname.as_deref().or(view.device.id.as_deref()), 255);
        let kind = header_word(Some(&view.kind), 32);
        let mut head = format!("<{priority}>1 {} {host} mcpolicy - {kind} ", rfc3339(line.time_ms));
        let _ = write!(head, "[{} id=\"{}\"", self.settings.data_id, value(&line.id));
        let _ = write!(head, " class=\"{}\" seq=\"{}\"", value(&line.class), line.seq);
        let record = self.settings.format.of(line);
        let text = String::from_utf8_lossy(&record);
        // the mark stands before the text, where a cut cannot lose it
        let room = MOST.saturating_sub(head.len() + "] ".len());
        if text.len() <= room {
            return (format!("{head}] {text}").into_bytes(), false);
        }
        let _ = write!(head, " cut=\"{}\"] ", text.len());
        let end = text.floor_char_boundary(MOST.saturating_sub(head.len()));
        (format!("{head}{}", &text[..end]).into_bytes(), true)
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, SinkError> {
        let (host, port) = (&self.settings.host, self.settings.port);
        let within = self.http.connect_timeout();
        let retry = |what: &str| SinkError::retry(format!("{host}:{port}: {what}"));
        let connecting = timeout(within, TcpStream::connect((host.as_str(), port))).await;
        let stream = connecting.map_err(|_| retry("tcp: no answer in time"))?;
        let stream = stream.map_err(|error| retry(&format!("tcp: {}", error.kind())))?;
        let connector = TlsConnector::from(self.http.tls());
        let shaking = timeout(within, connector.connect(self.server.clone(), stream)).await;
        shaking.map_err(|_| retry("tls: no answer in time"))?.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let what = tls.map_or_else(|| error.kind().to_string(), words_of);
            let issuer =
                self.http.issuer_of(host).map(|name| format!(" (signed by {name})")).unwrap_or_default();
            retry(&format!("tls: {what}{issuer}"))
        })
    }
}

impl Sink for Syslog {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut bytes = Vec::new();
        let mut cut = 0;
        for line in &batch.lines {
            let (message, was_cut) = self.message(line);
            cut += usize::from(was_cut);
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(&message);
        }
        let mut stream = self.connect().await?;
        let is_closed = deliver(&mut stream, &bytes).await.map_err(|error| {
            let (host, port) = (&self.settings.host, self.settings.port);
            SinkError::retry(format!("{host}:{port}: {}", error.kind()))
        })?;
        let receipt = if is_closed { "read to the end by the receiver" } else { "written, not confirmed" };
        Ok(Receipt { cut, ..Receipt::whole(batch, receipt) })
    }
}

/// Writes, closes our side, and says whether the receiver closed its own after.
async fn deliver(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> std::io::Result<bool> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut rest = [0; 512];
    let until_closed = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                // closed without saying so, but after everything was read: a reset is another error
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    };
    timeout(CLOSING, until_closed).await.unwrap_or(Ok(false))
}

fn severity(word: &str) -> u8 {
    match word {
        "critical" => 2,
        "high" => 3,
        "medium" => 4,
        "low" => 5,
        _ => 6,
    }
}

/// A word of the header: printable ASCII, or `-` for none.
fn header_word(text: Option<&str>, most: usize) -> String {
    let word: String = text.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// A value of structured data: `"`, `\` and `]` stand behind a backslash.
///
/// Attack: an id that ends its value and begins another element.
fn value(text: &str) -> String {
    text.chars().take(200).fold(String::new(), |mut escaped, c| {
        if ['"', '\\', ']'].contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}
