//! Splunk's HTTP Event Collector.
//!
//! Its 200 means accepted, not indexed: indexer acknowledgement is not asked for, since Splunk Cloud has none for
//! clients like us. A second copy after a lost answer is told by `event_id`.

use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::post::{answer_to, asked_to_wait, gzipped, refused, shown};
use crate::clock::Clock;
use crate::formats::Format;
use crate::http::{Answer, Ask, Http, SetupError};
use crate::place::Place;
use crate::secret::Secret;
use crate::sink::{Batch, Limits, Line, Receipt, Sink, SinkError};
use crate::view::View;

/// What is set.
#[derive(Debug, Clone)]
pub struct SplunkSettings {
    /// Its name.
    pub name: String,
    /// The server; `/services/collector/event` is added.
    pub place: Place,
    /// The collector's token.
    pub token: Secret,
    /// The index, else the token's own.
    pub index: Option<String>,
    /// The source type, `mcpolicy:report` where nothing else is set.
    pub sourcetype: String,
    /// How records are written.
    pub format: Format,
    /// What it takes at once; 1 MB is what a server takes unless it is set otherwise.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Splunk {
    settings: SplunkSettings,
    events: Place,
    http: Http,
    clock: Clock,
}

/// The envelope of an event.
#[derive(Serialize)]
struct Event<'a> {
    time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    source: &'static str,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: &'a RawValue,
    fields: Fields<'a>,
}

/// What is indexed beside the event.
#[derive(Serialize)]
struct Fields<'a> {
    event_id: &'a str,
    class: &'a str,
    kind: &'a str,
}

#[derive(Deserialize)]
struct Said {
    code: u32,
    #[serde(default)]
    text: String,
}

impl Splunk {
    /// Makes it.
    ///
    /// # Errors
    /// The token cannot be sent.
    pub fn new(settings: SplunkSettings, http: Http, clock: Clock) -> Result<Self, SetupError> {
        if settings.token.header("Splunk ").is_none() {
            return Err(SetupError::Credential { sink: settings.name });
        }
        let events = settings.place.below("services/collector/event");
        Ok(Self { settings, events, http, clock })
    }

    fn envelope(&self, line: &Line, into: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let view = View::of(&line.json);
        let written = self.settings.format.of(line);
        let event: &RawValue = serde_json::from_slice(&written)?;
        let event = Event {
            time: line.time_ms as f64 / 1000.0,
            host: view.device.hostname.as_deref(),
            source: "mcpolicy",
            sourcetype: &self.settings.sourcetype,
            index: self.settings.index.as_deref(),
            event,
            fields: Fields { event_id: &line.id, class: &line.class, kind: &view.kind },
        };
        serde_json::to_writer(&mut *into, &event)?;
        // not asked for, and it makes the body readable
        into.push(b'\n');
        Ok(())
    }

    /// What the collector's own codes mean where the status does not say it.
    fn meant(&self, answer: &Answer) -> Option<SinkError> {
        let said = serde_json::from_slice::<Said>(&answer.body).ok();
        let told = |said: &Said| format!("{}: code {} ({})", self.events, said.code, shown(&said.text));
        match said {
            Some(said) if answer.status == 400 => Some(match said.code {
                // no such index for this token, a channel is asked for, tokens in queries: true of every batch
                7 | 10 | 11 | 14 | 16 => SinkError::config(told(&said)),
                _ => SinkError::poison(told(&said)),
            }),
            Some(said) if answer.status == 503 => {
                Some(SinkError::Retry { after: asked_to_wait(answer, &self.clock), reason: told(&said) })
            }
            Some(said) if answer.status == 200 && said.code != 0 => Some(SinkError::retry(told(&said))),
            None if answer.status == 200 => {
                Some(SinkError::retry(format!("{}: what answers is no event collector", self.events)))
            }
            _ => refused(answer, &self.events, &self.clock),
        }
    }
}

impl Sink for Splunk {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut body = Vec::new();
        for line in &batch.lines {
            self.envelope(line, &mut body).map_err(|_| SinkError::unreadable())?;
        }
        let mut ask = gzipped(Ask::post(&self.events, "application/json", body));
        ask.headers.extend(self.settings.token.header("Splunk ").map(|value| (AUTHORIZATION, value)));
        let answer = answer_to(&self.http, ask).await?;
        match self.meant(&answer) {
            Some(error) => Err(error),
            None => Ok(Receipt::whole(batch, "accepted, not yet indexed")),
        }
    }
}
