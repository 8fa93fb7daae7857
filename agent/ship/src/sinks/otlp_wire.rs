//! The few messages of OTLP logs, as protobuf and as JSON (opentelemetry-proto 1.x). Written by hand: it is one message out
//! and one number in; a test reads what is written here with the official definitions.

use serde_json::{Value, json};

/// Records of one resource: one machine and agent.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Resource {
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) records: Vec<LogRecord>,
}

/// One record.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct LogRecord {
    pub(super) time_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) severity: u8,
    pub(super) severity_text: &'static str,
    pub(super) event_name: String,
    pub(super) body: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// What names the program within a resource.
pub(super) const SCOPE: (&str, &str) = ("mcpolicy", env!("CARGO_PKG_VERSION"));

/// `ExportLogsServiceRequest` as protobuf.
pub(super) fn protobuf(resources: &[Resource]) -> Vec<u8> {
    let mut request = Message::default();
    for resource in resources {
        let mut of_resource = Message::default();
        let mut named = Message::default();
        named.attributes(1, &resource.attributes);
        of_resource.message(1, &named);
        let mut of_scope = Message::default();
        let mut scope = Message::default();
        scope.text(1, SCOPE.0);
        scope.text(2, SCOPE.1);
        of_scope.message(1, &scope);
        for record in &resource.records {
            of_scope.message(2, &log_record(record));
        }
        of_resource.message(2, &of_scope);
        request.message(1, &of_resource);
    }
    request.0
}

fn log_record(record: &LogRecord) -> Message {
    let mut message = Message::default();
    message.fixed64(1, record.time_ns);
    message.number(2, u64::from(record.severity));
    message.text(3, record.severity_text);
    let mut body = Message::default();
    body.text(1, &record.body);
    message.message(5, &body);
    message.attributes(6, &record.attributes);
    message.fixed64(11, record.observed_ns);
    message.text(12, &record.event_name);
    message
}

/// The same as JSON, by the OTLP mapping: 64-bit numbers as text, names in lowerCamelCase.
pub(super) fn as_json(resources: &[Resource]) -> Value {
    let of_resource = |resource: &Resource| {
        let records: Vec<Value> = resource.records.iter().map(record_as_json).collect();
        json!({
            "resource": { "attributes": attributes_as_json(&resource.attributes) },
            "scopeLogs": [{ "scope": { "name": SCOPE.0, "version": SCOPE.1 }, "logRecords": records }],
        })
    };
    json!({ "resourceLogs": resources.iter().map(of_resource).collect::<Vec<_>>() })
}

fn record_as_json(record: &LogRecord) -> Value {
    json!({
        "timeUnixNano": record.time_ns.to_string(),
        "observedTimeUnixNano": record.observed_ns.to_string(),
        "severityNumber": record.severity,
        "severityText": record.severity_text,
        "eventName": record.event_name,
        "body": { "stringValue": record.body },
        "attributes": attributes_as_json(&record.attributes),
    })
}

fn attributes_as_json(attributes: &[(&'static str, String)]) -> Value {
    attributes.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

/// What an `ExportLogsServiceResponse` says was refused: how many, and why. Nothing where all was taken.
///
/// # Errors
/// It cannot be read.
pub(super) fn partial_success(body: &[u8], is_json: bool) -> Result<Option<(u64, String)>, Unreadable> {
    let (count, message) = if is_json { of_json(body)? } else { of_protobuf(body)? };
    // a message without a number is a warning: all was taken
    Ok((count > 0).then_some((count, message)))
}

/// An answer that is none of OTLP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

fn of_json(body: &[u8]) -> Result<(u64, String), Unreadable> {
    if body.trim_ascii().is_empty() {
        return Ok((0, String::new()));
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let partial = &answer["partialSuccess"];
    let count = &partial["rejectedLogRecords"];
    // 64-bit numbers are text, but not everywhere
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0);
    Ok((count, partial["errorMessage"].as_str().unwrap_or_default().to_owned()))
}

fn of_protobuf(body: &[u8]) -> Result<(u64, String), Unreadable> {
    let (mut count, mut message) = (0, String::new());
    let mut fields = Fields(body);
    while let Some((number, value)) = fields.next()? {
        let (1, Wire::Bytes(partial)) = (number, value) else { continue };
        let mut fields = Fields(partial);
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Number(rejected)) => count = rejected,
                (2, Wire::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    Ok((count, message))
}

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, value: &Self) {
        self.bytes(field, &value.0);
    }

    fn attributes(&mut self, field: u64, attributes: &[(&'static str, String)]) {
        for (key, value) in attributes {
            let mut any = Self::default();
            any.text(1, value);
            let mut pair = Self::default();
            pair.text(1, key);
            pair.message(2, &any);
            self.message(field, &pair);
        }
    }
}

/// Fields of a message that is being read.
struct Fields<'a>(&'a [u8]);

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, Unreadable> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Wire::Number(self.varint()?),
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Unreadable)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Other)?,
            _ => return Err(Unreadable),
        };
        Ok(Some((key >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable)
    }
}

#[cfg(test)]
mod tests;
