//! `agent.toml`: what the device's administrator decides about this agent. The policy decides about servers.
//!
//! One typed form; unknown members are refused, so that a misspelt one is not a silent default.

mod report;
pub mod shipping;

use std::path::{Path, PathBuf};

use mcpolicy_platform::machine::{Machine, ReadError, Snapshot};
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::limits::DEFAULT_POLL_S;
use serde::{Deserialize, Serialize};

use crate::diagnostics::LogLevel;
pub use report::ReportSettings;
use shipping::{NetworkSettings, ShipSettings, SinkSettings};

/// The only schema that is known.
pub const SCHEMA: &str = "mcpolicy/agent/v1";
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// `agent.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Always `mcpolicy/agent/v1`.
    pub schema: String,
    /// Where the policy comes from.
    #[serde(default)]
    pub policy: PolicySource,
    /// How far actions may go.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// This machine, as policies name it.
    #[serde(default)]
    pub device: DeviceSettings,
    /// Where the agent keeps what it must not forget.
    #[serde(default)]
    pub state: StateSettings,
    /// Originals of changed files.
    #[serde(default)]
    pub vault: Keeping,
    /// The record of what was done.
    #[serde(default)]
    pub journal: Keeping,
    /// Lines for support.
    #[serde(default)]
    pub log: LogSettings,
    /// What is reported.
    #[serde(default)]
    pub report: ReportSettings,
    /// The role that uses the network.
    #[serde(default)]
    pub ship: ShipSettings,
    /// Where records go.
    #[serde(default, rename = "sink")]
    pub sinks: Vec<SinkSettings>,
    /// How that role reaches the network.
    #[serde(default)]
    pub network: NetworkSettings,
}

impl Settings {
    /// Whether records are kept for whoever reports them.
    pub fn has_spool(&self) -> bool {
        self.report.spool || !self.sinks.is_empty()
    }
}

/// `[policy]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// The folder that `mcpolicy policy publish` wrote.
    pub dir: Option<PathBuf>,
    /// The root document that is trusted.
    pub trust_root: Option<PathBuf>,
    /// Policies with a lower sequence are not taken.
    #[serde(default)]
    pub min_sequence: u64,
    /// Of the fleets that one root signs for, the one that this machine belongs to: the folder of another is refused.
    #[serde(default = "default_channel")]
    pub channel: String,
    /// Folders on web servers that hold what `mcpolicy policy publish` wrote, the same in each; the first that answers
    /// counts. `dir` is the inbox then.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Seconds between two questions for a newer head, half of it more or less; a head may say another.
    #[serde(default = "poll_seconds")]
    pub poll_seconds: u32,
    /// A file with the token that these web servers ask for.
    pub credential_file: Option<PathBuf>,
}

impl Default for PolicySource {
    fn default() -> Self {
        Self {
            dir: None,
            trust_root: None,
            min_sequence: 0,
            channel: default_channel(),
            urls: Vec::new(),
            poll_seconds: poll_seconds(),
            credential_file: None,
        }
    }
}

impl PolicySource {
    fn fault(&self) -> Option<String> {
        if self.dir.is_some() && !self.urls.is_empty() {
            return Some("[policy] has both dir and urls: what is fetched lies in the inbox".to_owned());
        }
        if self.poll_seconds == 0 || self.urls.len() > MOST_MIRRORS {
            return Some(format!("[policy] poll_seconds must be at least 1, urls at most {MOST_MIRRORS}"));
        }
        let faults = self.urls.iter().enumerate();
        faults
            .filter_map(|(at, url)| Some((at, shipping::fault_of_url(url)?)))
            .map(|(at, fault)| format!("[policy] urls, number {}: {fault}", at + 1))
            .next()
    }
}

/// Most mirrors of a policy.
const MOST_MIRRORS: usize = 8;

fn poll_seconds() -> u32 {
    DEFAULT_POLL_S
}

/// As `policy publish` names it unless it is told another.
pub fn default_channel() -> String {
    "default".to_owned()
}

/// `[enforcement]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enforcement {
    /// No mode of any policy goes further than this.
    pub mode_ceiling: Option<Mode>,
    /// Seconds that the edits of one home may take in a pass; what is left is for the next.
    #[serde(default = "seconds_of_home")]
    pub home_seconds: u16,
}

fn seconds_of_home() -> u16 {
    60
}

impl Default for Enforcement {
    fn default() -> Self {
        Self { mode_ceiling: None, home_seconds: seconds_of_home() }
    }
}

/// `[device]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSettings {
    /// Its id; without one it is made from the machine's own.
    #[serde(default)]
    pub id: String,
    /// Groups that all of its users count as members of, besides those of the system.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSettings {
    /// The folder.
    pub dir: Option<PathBuf>,
}

/// `[vault]` and `[journal]`: how long and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeping {
    /// Days.
    #[serde(default = "days")]
    pub keep_days: u16,
    /// Mebibytes.
    #[serde(default = "mebibytes")]
    pub max_mib: u32,
}

fn days() -> u16 {
    90
}

fn mebibytes() -> u32 {
    256
}

impl Default for Keeping {
    fn default() -> Self {
        Self { keep_days: days(), max_mib: mebibytes() }
    }
}

/// `[log]`: diagnostics for support. What was done is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// From which level on lines are written.
    #[serde(default = "log_level")]
    pub level: LogLevel,
    /// From which level on lines of the machine's agent go to the system's own log as well.
    #[serde(default = "system_level")]
    pub system: LogLevel,
    /// The folder; without one it is `log` in the state folder.
    pub dir: Option<PathBuf>,
    /// Files that are kept, one for each day on which something was written.
    #[serde(default = "log_files")]
    pub max_files: u16,
    /// Mebibytes of one file.
    #[serde(default = "log_mebibytes")]
    pub max_mib: u32,
}

fn log_level() -> LogLevel {
    LogLevel::Info
}

fn system_level() -> LogLevel {
    LogLevel::Warn
}

fn log_files() -> u16 {
    7
}

fn log_mebibytes() -> u32 {
    8
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: log_level(),
            system: system_level(),
            dir: None,
            max_files: log_files(),
            max_mib: log_mebibytes(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            policy: PolicySource::default(),
            enforcement: Enforcement::default(),
            device: DeviceSettings::default(),
            state: StateSettings::default(),
            vault: Keeping::default(),
            journal: Keeping::default(),
            log: LogSettings::default(),
            report: ReportSettings::default(),
            ship: ShipSettings::default(),
            sinks: Vec::new(),
            network: NetworkSettings::default(),
        }
    }
}

/// Why there are no settings. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// Somebody else could write it: whoever can, decides what the agent does.
    #[error(
        "the settings {} belong to another user, or group and others may write them; make them root's, mode 0644",
        path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML of the schema.
    #[error("the settings {} are refused: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        what: String,
    },
}

/// Whether nobody can have written a file but root and `owner`.
pub fn is_only_ours(snapshot: &Snapshot, owner: Option<u32>) -> bool {
    let is_foreign = snapshot.owner_uid.is_some_and(|uid| uid != 0 && Some(uid) != owner);
    !is_foreign && !snapshot.writable_by_others
}

/// Where a text of settings is wrong, and how, without any value: it may be a token that somebody put where a file is named.
fn fault(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let place = before.map(|before| {
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("line {}, column {column}: ", before.matches('\n').count() + 1)
    });
    let message = error.message();
    let said = match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) => format!("{before}…{after}"),
        _ => message.to_owned(),
    };
    // the value of a word
    let said = match said.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`')) {
        Some((_, rest)) => format!("unknown word{rest}"),
        None => said,
    };
    place.unwrap_or_default() + &said
}

impl Settings {
    /// Reads a file. `owner` is the only user who may own it besides root.
    ///
    /// # Errors
    /// It cannot be read, somebody else can write it, or something in it is wrong.
    pub fn read(path: &Path, owner: Option<u32>) -> Result<Self, SettingsError> {
        let snapshot = Machine::live()
            .read(path, None, MAX_BYTES)
            .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        if !is_only_ours(&snapshot, owner) {
            return Err(SettingsError::NotOurs { path: path.to_owned() });
        }
        Self::parse(&snapshot.bytes).map_err(|what| SettingsError::Refused { path: path.to_owned(), what })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let settings: Self = toml::from_str(text).map_err(|error| fault(&error, text))?;
        if settings.schema != SCHEMA {
            return Err(format!("its schema is {:?}; this agent knows {SCHEMA:?}", settings.schema));
        }
        if settings.vault.keep_days == 0 || settings.journal.keep_days == 0 {
            return Err("keep_days must be at least 1".to_owned());
        }
        if settings.enforcement.home_seconds == 0 {
            return Err("home_seconds must be at least 1".to_owned());
        }
        if settings.log.max_files == 0 || settings.log.max_mib == 0 {
            return Err(
                "[log] max_files and max_mib must be at least 1; level = \"off\" writes none".to_owned()
            );
        }
        let fault = settings.report.fault().or_else(|| settings.policy.fault());
        if let Some(fault) = fault.or_else(|| shipping::fault(&settings.sinks, &settings.network)) {
            return Err(fault);
        }
        // attack: what is relative lies in the folder from which a pass is started, and that may be a user's
        match settings.paths().into_iter().find(|(_, path)| !path.has_root()) {
            Some((name, path)) => {
                Err(format!("{name} must be an absolute path, and {:?} is not", path.display().to_string()))
            }
            None => Ok(settings),
        }
    }

    /// Every file with a secret for the network, with the setting that names it.
    pub fn credentials(&self) -> Vec<(String, &Path)> {
        let network = &self.network;
        let single = [
            ("[policy] credential_file", &self.policy.credential_file),
            ("[network] client_identity_file", &network.client_identity_file),
            ("[network] proxy_credential_file", &network.proxy_credential_file),
        ];
        let single = single.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path.as_deref()?)));
        let of_sinks = self.sinks.iter().filter_map(|sink| {
            Some((format!("[[sink]] {} credential_file", sink.name), sink.credential_file.as_deref()?))
        });
        single.chain(of_sinks).collect()
    }

    /// Every path in them, with its name.
    fn paths(&self) -> Vec<(&'static str, &PathBuf)> {
        let single = [
            ("[state] dir", &self.state.dir),
            ("[policy] dir", &self.policy.dir),
            ("[policy] trust_root", &self.policy.trust_root),
            ("[policy] credential_file", &self.policy.credential_file),
            ("[log] dir", &self.log.dir),
            ("[report] key_file", &self.report.key_file),
            ("[ship] dir", &self.ship.dir),
        ];
        let single = single.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
        let of_sinks = self.sinks.iter().flat_map(SinkSettings::paths);
        single.chain(of_sinks).chain(self.network.paths()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(text.as_bytes())
    }

    /// Mistake: a token is written where the name of its file belongs, and each start copies it into the log.
    #[test]
    fn what_is_wrong_is_told_with_its_place_and_never_with_a_value() {
        let head = format!("schema = \"{SCHEMA}\"\n");
        for (line, said) in [
            ("token = \"SECRET\"\n", "line 3, column 1: unknown field `token`"),
            ("[policy]\npoll_seconds = \"SECRET\"\n", "line 4, column 16: invalid type: string …"),
            ("[enforcement]\nmode_ceiling = \"SECRET\"\n", "unknown word, expected one of"),
            ("[log]\nlevel = \"SECRET\n", "line 4"),
        ] {
            let told = parse(&format!("{head}\n{line}")).unwrap_err();
            assert!(told.contains(said) && !told.contains("SECRET"), "{told}");
        }
    }

    #[test]
    fn settings_that_say_nothing_are_the_defaults() {
        assert_eq!(parse("schema = \"mcpolicy/agent/v1\"").unwrap(), Settings::default());
    }

    #[test]
    fn a_misspelt_member_is_refused_with_its_place() {
        let error =
            parse("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nmode_cieling = \"observe\"\n").unwrap_err();
        assert!(error.contains("line 3") && error.contains("mode_cieling"), "{error}");
    }

    #[test]
    fn a_path_that_would_depend_on_where_a_pass_is_started_is_refused() {
        let all = [
            ("state", "dir"),
            ("policy", "dir"),
            ("policy", "trust_root"),
            ("log", "dir"),
            ("report", "key_file"),
        ];
        for (table, name) in all {
            let of = |path: &str| {
                parse(&format!("schema = \"mcpolicy/agent/v1\"\n[{table}]\n{name} = \"{path}\"\n"))
            };
            let refused = of("lib/mcpolicy").unwrap_err();
            assert!(refused.contains(name) && refused.contains("absolute"), "{refused}");
            assert!(of("/srv/mcpolicy").is_ok());
        }
    }

    #[test]
    fn a_spool_that_could_not_hold_violations_is_refused() {
        let of = |text: &str| parse(&format!("schema = \"mcpolicy/agent/v1\"\n[report]\n{text}"));
        let report = of("spool = true\nspool_mib = 30").unwrap().report;
        assert_eq!((report.spool, report.spool_mib, report.heartbeat_minutes), (true, 30, 15));
        for wrong in ["spool_mib = 20", "heartbeat_minutes = 0", "spol = true"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sinks_and_mirrors_that_could_not_work_are_refused_and_nothing_secret_is_repeated() {
        let of = |text: &str| parse(&format!("schema = \"mcpolicy/agent/v1\"\n{text}"));
        let sink = |text: &str| of(&format!("[[sink]]\nname = \"siem\"\n{text}"));
        let good = sink("kind = \"otlp\"\nurl = \"https://siem.example.com/\"").unwrap();
        assert!(good.has_spool() && good.ship.user == "mcpolicy-ship");
        assert!(sink("kind = \"file\"\npath = \"/var/log/mcpolicy/records.ndjson\"").is_ok());
        assert!(sink("kind = \"syslog\"\nurl = \"tls://logs.example.com\"").is_ok());
        for wrong in [
            "kind = \"otlp\"",
            "kind = \"file\"\nurl = \"https://siem.example.com/\"",
            "kind = \"file\"\npath = \"records.ndjson\"",
            "kind = \"otlp\"\nurl = \"http://siem.example.com/\"",
            "kind = \"https\"\nurl = \"https://u:hunter2@siem.example.com/\"",
            "kind = \"https\"\nurl = \"https://siem.example.com/?token=hunter2\"",
            "kind = \"https\"\nurl = \"https://siem.example.com/\"\nauth = \"hmac\"",
            "kind = \"splunk\"\nurl = \"https://siem.example.com/\"",
            "kind = \"syslog\"\nurl = \"https://siem.example.com/\"",
            "kind = \"otlp\"\nurl = \"https://siem.example.com/\"\ncredential_file = \"token\"",
        ] {
            let error = sink(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{wrong}");
        }
        let twice = "kind = \"otlp\"\nurl = \"https://siem.example.com/\"\n";
        assert!(sink(&format!("{twice}[[sink]]\nname = \"siem\"\n{twice}")).unwrap_err().contains("twice"));
        assert!(of("[policy]\nurls = [\"https://policy.example.com/fleet\"]").is_ok());
        assert!(of("[policy]\nurls = [\"https://policy.example.com/\"]\ndir = \"/srv/p\"").is_err());
        assert!(of("[network]\nproxy = \"http://u:hunter2@proxy.example.com\"").is_err());
    }

    #[test]
    fn the_log_is_as_large_and_as_loud_as_the_settings_say() {
        let of = |text: &str| parse(&format!("schema = \"mcpolicy/agent/v1\"\n[log]\n{text}"));
        let log = of("level = \"debug\"\nmax_files = 3\nmax_mib = 1\nsystem = \"off\"").unwrap().log;
        let (level, system) = (LogLevel::Debug, LogLevel::Off);
        assert_eq!(log, LogSettings { level, system, dir: None, max_files: 3, max_mib: 1 });
        for wrong in ["level = \"loud\"", "max_files = 0", "max_mib = 0", "levl = \"info\""] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_schema_and_an_unknown_mode_are_refused() {
        assert!(parse("schema = \"mcpolicy/agent/v2\"").unwrap_err().contains("mcpolicy/agent/v1"));
        assert!(parse("schema = \"mcpolicy/agent/v1\"\n[enforcement]\nmode_ceiling = \"off\"").is_err());
        assert!(parse("schema = \"mcpolicy/agent/v1\"\n[journal]\nkeep_days = 0").is_err());
    }
}
