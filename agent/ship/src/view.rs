//! The little that sinks read of a record. Everything may be absent: a record of a later version is sent all the same.

use serde::Deserialize;

/// What is read of a record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    pub(crate) kind: String,
    pub(crate) device: Device,
    pub(crate) agent: Agent,
    finding: Option<Finding>,
}

/// Its machine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Device {
    pub(crate) id: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) os_version: Option<String>,
    pub(crate) arch: Option<String>,
}

/// Its program.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Agent {
    pub(crate) version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finding {
    severity: String,
}

impl View {
    /// Reads a record; of what is none, nothing is known.
    pub(crate) fn of(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    /// `critical`, `high`, `medium`, `low` or `info`.
    pub(crate) fn severity(&self, class: &str) -> &str {
        let otherwise = if class == "violation" { "medium" } else { "info" };
        self.finding.as_ref().map_or(otherwise, |finding| finding.severity.as_str())
    }
}

impl Device {
    /// As OpenTelemetry calls it.
    pub(crate) fn os_type(&self) -> Option<&str> {
        self.os.as_deref().map(|os| if os == "macos" { "darwin" } else { os })
    }
}
