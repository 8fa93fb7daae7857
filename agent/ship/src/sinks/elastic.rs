//! Elasticsearch and OpenSearch, by the bulk interface.
//!
//! Each record is created with its own id, so that a second copy is refused with 409, which is as good as taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::post::{answer_to, refused, shown};
use crate::clock::{Clock, rfc3339};
use crate::formats::Format;
use crate::http::{Answer, Ask, Http, SetupError};
use crate::place::Place;
use crate::secret::Secret;
use crate::sink::{Batch, Limits, Line, Receipt, Sink, SinkError};

/// How we are known.
#[derive(Debug, Clone)]
pub enum ElasticAuth {
    /// By the client certificate only.
    Certificate,
    /// By an API key, encoded as Elasticsearch gives it.
    ApiKey(Secret),
    /// By `name:password`.
    Basic(Secret),
}

/// What is set.
#[derive(Debug, Clone)]
pub struct ElasticSettings {
    /// Its name.
    pub name: String,
    /// The server; `/_bulk` is added.
    pub place: Place,
    /// Index or data stream.
    pub index: String,
    /// How we are known.
    pub auth: ElasticAuth,
    /// How records are written.
    pub format: Format,
    /// What it takes at once.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Elastic {
    settings: ElasticSettings,
    bulk: Place,
    authorization: Option<Secret>,
    http: Http,
    clock: Clock,
}

#[derive(Serialize)]
struct Create<'a> {
    create: Target<'a>,
}

#[derive(Serialize)]
struct Target<'a> {
    _index: &'a str,
    _id: &'a str,
}

#[derive(Deserialize)]
struct Answered {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    r#type: String,
}

impl Elastic {
    /// Makes it.
    ///
    /// # Errors
    /// The index has a name that no index has, or the credential cannot be sent.
    pub fn new(settings: ElasticSettings, http: Http, clock: Clock) -> Result<Self, SetupError> {
        let sink = settings.name.clone();
        if settings.index.is_empty() || settings.index.chars().any(|c| c.is_control() || c.is_uppercase()) {
            let what = "an index is written in small letters".to_owned();
            return Err(SetupError::Sink { sink, what });
        }
        let authorization = match &settings.auth {
            ElasticAuth::Certificate => None,
            ElasticAuth::ApiKey(key) => Some(Secret::new(format!("ApiKey {}", key.expose()))),
            ElasticAuth::Basic(pair) => {
                let encoded = Zeroizing::new(STANDARD.encode(pair.expose()));
                Some(Secret::new(format!("Basic {}", *encoded)))
            }
        };
        if authorization.as_ref().is_some_and(|value| value.header("").is_none()) {
            return Err(SetupError::Credential { sink });
        }
        // only what is read of the answer: a batch of 500 answers with 20 kB instead of 150
        let bulk = settings.place.below("_bulk");
        let bulk = bulk.with_query("filter_path=errors,items.*.status,items.*.error.type");
        Ok(Self { settings, bulk, authorization, http, clock })
    }

    fn document(&self, line: &Line, into: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let target = Target { _index: &self.settings.index, _id: &line.id };
        serde_json::to_writer(&mut *into, &Create { create: target })?;
        into.push(b'\n');
        let document = self.settings.format.of(line);
        match document.strip_prefix(b"{") {
            // a data stream takes nothing without it, and records call it `time`
            Some(rest) if self.settings.format == Format::Native => {
                let comma = if rest.starts_with(b"}") { "" } else { "," };
                into.extend_from_slice(
                    format!("{{\"@timestamp\":\"{}\"{comma}", rfc3339(line.time_ms)).as_bytes(),
                );
                into.extend_from_slice(rest);
            }
            _ => into.extend_from_slice(&document),
        }
        into.push(b'\n');
        Ok(())
    }

    fn receipt(&self, batch: &Batch, answer: &Answer) -> Result<Receipt, SinkError> {
        let place = &self.bulk;
        let answered: Answered = serde_json::from_slice(&answer.body)
            .map_err(|_| SinkError::retry(format!("{place}: what answers is no bulk interface")))?;
        if answered.items.len() != batch.lines.len() {
            let (sent, told) = (batch.lines.len(), answered.items.len());
            return Err(SinkError::retry(format!("{place}: {sent} records were sent, it tells of {told}")));
        }
        let mut receipt = Receipt::whole(batch, format!("status {}", answer.status));
        for (at, Item { create: Outcome { status, error } }) in answered.items.into_iter().enumerate() {
            let kind = error.map(|error| shown(&error.r#type)).unwrap_or_default();
            match status {
                200..=299 | 409 => {}
                // the whole batch again: what is there already answers 409 then
                429 | 500..=599 => {
                    return Err(SinkError::retry(format!("{place}: a record got {status} ({kind})")));
                }
                401 | 403 => {
                    let reason = format!("{place}: a record got {status} ({kind})");
                    return Err(SinkError::Unauthorized { reason });
                }
                404 => return Err(SinkError::config(format!("{place}: there is no such index ({kind})"))),
                _ => receipt.rejected.push((at, format!("status {status} ({kind})"))),
            }
        }
        Ok(receipt)
    }
}

impl Sink for Elastic {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut body = Vec::new();
        for line in &batch.lines {
            self.document(line, &mut body).map_err(|_| SinkError::unreadable())?;
        }
        let mut ask = super::post::gzipped(Ask::post(&self.bulk, "application/x-ndjson", body));
        let authorization = self.authorization.as_ref().and_then(|value| value.header(""));
        ask.headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        let answer = answer_to(&self.http, ask).await?;
        match refused(&answer, &self.bulk, &self.clock) {
            Some(error) => Err(error),
            None => self.receipt(batch, &answer),
        }
    }
}
