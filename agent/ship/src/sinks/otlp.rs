//! OTLP logs over HTTP, the default: any OpenTelemetry collector takes them.
//!
//! The record is the text of the body, its id `log.record.uid`. As the specification asks, only 429, 502, 503 and 504 are
//! tried again, and a partial success never is.

use reqwest::header::{HeaderName, HeaderValue};

use super::otlp_wire::{self, LogRecord, Resource};
use super::post::{answer_to, asked_to_wait, gzipped, refused, shown, words};
use crate::clock::Clock;
use crate::formats::Format;
use crate::http::{Answer, Ask, Http, SetupError};
use crate::place::Place;
use crate::secret::Secret;
use crate::sink::{Batch, Limits, Line, Receipt, Sink, SinkError};
use crate::view::View;

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As protobuf, which every receiver takes.
    #[default]
    Protobuf,
    /// As JSON.
    Json,
}

/// What is set.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// Its name.
    pub name: String,
    /// The receiver; `/v1/logs` is added.
    pub place: Place,
    /// Headers with credentials, for example `authorization`.
    pub headers: Vec<(String, Secret)>,
    /// How messages are written.
    pub encoding: Encoding,
    /// How records are written.
    pub format: Format,
    /// What it takes at once.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Otlp {
    settings: OtlpSettings,
    logs: Place,
    headers: Vec<(HeaderName, HeaderValue)>,
    http: Http,
    clock: Clock,
}

impl Otlp {
    /// Makes it.
    ///
    /// # Errors
    /// A header cannot be sent.
    pub fn new(settings: OtlpSettings, http: Http, clock: Clock) -> Result<Self, SetupError> {
        let mut headers = Vec::new();
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            let Some(pair) = name.zip(value.header("")) else {
                return Err(SetupError::Credential { sink: settings.name });
            };
            headers.push(pair);
        }
        let logs = settings.place.below("v1/logs");
        Ok(Self { settings, logs, headers, http, clock })
    }

    fn resources(&self, batch: &Batch) -> Vec<Resource> {
        let mut resources: Vec<Resource> = Vec::new();
        let observed_ns = self.clock.now_ms().saturating_mul(1_000_000);
        for line in &batch.lines {
            let view = View::of(&line.json);
            let attributes = resource_attributes(&view);
            let record = self.record(line, &view, observed_ns);
            match resources.last_mut() {
                Some(last) if last.attributes == attributes => last.records.push(record),
                _ => resources.push(Resource { attributes, records: vec![record] }),
            }
        }
        resources
    }

    fn record(&self, line: &Line, view: &View, observed_ns: u64) -> LogRecord {
        let (severity, severity_text) = severity(view.severity(&line.class));
        let attributes = [
            ("log.record.uid", line.id.clone()),
            ("mcpolicy.class", line.class.clone()),
            ("mcpolicy.kind", view.kind.clone()),
            ("mcpolicy.seq", line.seq.to_string()),
        ];
        LogRecord {
            time_ns: line.time_ms.saturating_mul(1_000_000),
            observed_ns,
            severity,
            severity_text,
            event_name: format!("mcpolicy.{}", view.kind),
            body: String::from_utf8_lossy(&self.settings.format.of(line)).into_owned(),
            attributes: attributes.to_vec(),
        }
    }

    fn refused(&self, answer: &Answer) -> Option<SinkError> {
        let reason = || format!("{}: {}", self.logs, words(answer.status));
        match answer.status {
            429 | 502 | 503 | 504 => {
                Some(SinkError::Retry { after: asked_to_wait(answer, &self.clock), reason: reason() })
            }
            // the specification lets nobody repeat these. But what answers may be a proxy before a collector that is being
            // started, and a violation is not to be lost for it
            500 | 501 | 505..=599 => Some(SinkError::retry(reason())),
            400 | 422 => Some(SinkError::poison(reason())),
            _ => refused(answer, &self.logs, &self.clock),
        }
    }

    fn receipt(&self, batch: &Batch, answer: &Answer) -> Result<Receipt, SinkError> {
        let said = answer.head.content_type.as_deref();
        let is_json = said.map_or(self.settings.encoding == Encoding::Json, |kind| kind.contains("json"));
        let partial = otlp_wire::partial_success(&answer.body, is_json)
            .map_err(|_| SinkError::retry(format!("{}: what answers does not speak OTLP", self.logs)))?;
        let mut receipt = Receipt::whole(batch, format!("status {}", answer.status));
        receipt.rejected_unnamed = partial.map(|(count, why)| {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            (count.min(batch.lines.len()), shown(&why))
        });
        Ok(receipt)
    }
}

/// Of a resource: which machine, which agent. By the names of OpenTelemetry's semantic conventions.
fn resource_attributes(view: &View) -> Vec<(&'static str, String)> {
    let device = &view.device;
    let pairs = [
        ("service.name", Some("mcpolicy")),
        ("service.version", view.agent.version.as_deref()),
        ("host.id", device.id.as_deref()),
        ("host.name", device.hostname.as_deref()),
        ("host.arch", device.arch.as_deref()),
        ("os.type", device.os_type()),
        ("os.version", device.os_version.as_deref()),
    ];
    pairs.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect()
}

fn severity(word: &str) -> (u8, &'static str) {
    match word {
        "critical" => (21, "FATAL"),
        "high" => (17, "ERROR"),
        "medium" => (13, "WARN"),
        "low" => (10, "INFO2"),
        _ => (9, "INFO"),
    }
}

impl Sink for Otlp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let resources = self.resources(batch);
        let (content_type, body) = match self.settings.encoding {
            Encoding::Protobuf => ("application/x-protobuf", otlp_wire::protobuf(&resources)),
            Encoding::Json => ("application/json", otlp_wire::as_json(&resources).to_string().into_bytes()),
        };
        let mut ask = gzipped(Ask::post(&self.logs, content_type, body));
        ask.headers.extend(self.headers.iter().cloned());
        let answer = answer_to(&self.http, ask).await?;
        match self.refused(&answer) {
            Some(error) => Err(error),
            None => self.receipt(batch, &answer),
        }
    }
}
