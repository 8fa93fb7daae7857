//! The throw-away laptop: a folder with a home, a policy that a fresh key has signed, and an agent that is pinned to that key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_clients::location::Os;
use mcpolicy_platform::durable;
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::document::Mode;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1::Report;
use mcpolicy_schema::trust::Demands;
use tempfile::{NamedTempFile, TempDir};

use super::acts;
use crate::authoring::folder::Folder;
use crate::authoring::init::{self, Template};
use crate::authoring::publish::{self, HeadOptions};
use crate::authoring::repository::Repository;
use crate::authoring::signer::{FileSigner, PassphraseSource, Signer};
use crate::authoring::source::{self, Source};
use crate::authoring::statement;
use crate::cli::agent;
use crate::ground::{self, Target};
use crate::in_force::InForce;
use crate::judge::{Judge, Terms};
use crate::pipeline;
use crate::report::{self, Run};
use crate::settings::{self, Enforcement, PolicySource, Settings, StateSettings};

/// Largest file of the laptop that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// How long the demo's policy and keys are good for.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The laptop. Its folder is gone with it.
pub(super) struct Stage {
    folder: TempDir,
    /// The folder, without links in its path.
    path: PathBuf,
    os: Os,
    /// How many servers the policy approves.
    pub(super) rules: usize,
}

impl Stage {
    /// Sets everything up.
    ///
    /// # Errors
    /// Something cannot be written.
    pub(super) fn set(ceiling: Option<Mode>, now: Timestamp) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mcpolicy-demo-").tempdir();
        let folder = folder.context("no temporary folder can be made")?;
        let path = folder.path().canonicalize()?;
        let mut stage = Self { folder, path, os: ground::host_os(), rules: 0 };
        std::fs::create_dir_all(stage.laptop())?;
        if stage.os == Os::Windows {
            // by this a folder is known for one of Windows
            std::fs::create_dir_all(stage.laptop().join("Windows"))?;
        }
        // as homes are; where a umask lets the group write, the agent would refuse to write in it
        durable::make_private_directory(&stage.home())?;
        for file in acts::files(stage.os) {
            put(&stage.of_home(file.path), &file.text)?;
        }
        stage.rules = stage.publish(now).context("the policy of the demo cannot be published")?;
        stage.settle(ceiling).context("the settings of the demo cannot be written")?;
        Ok(stage)
    }

    /// The whole folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that is taken for a machine.
    pub(super) fn laptop(&self) -> PathBuf {
        self.path.join("laptop")
    }

    /// The home of its user.
    pub(super) fn home(&self) -> PathBuf {
        self.laptop().join(acts::home(self.os).trim_start_matches('/'))
    }

    /// A path below the home.
    pub(super) fn of_home(&self, path: &str) -> PathBuf {
        self.home().join(path)
    }

    /// What is planted there.
    pub(super) fn acts(&self) -> Vec<acts::Act> {
        acts::acts(self.os)
    }

    /// `agent.toml`.
    pub(super) fn settings(&self) -> PathBuf {
        self.laptop().join("etc/mcpolicy/agent.toml")
    }

    /// Where the agent keeps its own.
    pub(super) fn state(&self) -> PathBuf {
        self.laptop().join("var/lib/mcpolicy")
    }

    /// Where a folder is made ready that comes to the home as a whole.
    pub(super) fn elsewhere(&self) -> PathBuf {
        self.path.join("elsewhere")
    }

    fn published(&self) -> PathBuf {
        self.laptop().join("srv/mcpolicy/published")
    }

    fn trust_root(&self) -> PathBuf {
        self.laptop().join("etc/mcpolicy/root.1.json")
    }

    /// What `policy init`, `sign` and `publish` do. How many servers are approved.
    fn publish(&self, now: Timestamp) -> anyhow::Result<usize> {
        let team = self.path.join("security-team");
        let repository = Repository::at(&team.join("policies"))?;
        let made = init::init(&init::Order {
            repository: &repository,
            name: "demo".to_owned(),
            contact: "#ask-security".to_owned(),
            template: Template::DemoStrict,
            keys: team.join("keys"),
            solo: true,
            held: Vec::new(),
            signers: Vec::new(),
            passphrase: None,
            own_passphrases: false,
            now,
            lifetime: LIFETIME,
        })?;
        let (key, _) = made.keys.first().context("no key was made")?;
        // it has no passphrase: it is gone in a minute
        let nobody = PassphraseSource::of(None, &Environment::empty());
        let signers: [Box<dyn Signer>; 1] = [Box::new(FileSigner::load(key, &nobody)?)];
        stops_processes(&repository.policy())?;
        let policy = source::compile(&Source::of_policy(&repository.policy())?)?;
        let signed = repository.signed()?;
        let order = statement::Order {
            document: policy.document(),
            root: &made.root,
            signers: &signers,
            now,
            lifetime: LIFETIME,
            ticket: None,
            anew: false,
            sequence: None,
        };
        statement::sign(&signed, &order)?;
        let trust = repository.trust()?;
        publish::publish(&publish::Order {
            trust: &trust,
            signed: Some(&signed),
            to: &Folder::at(&self.published())?,
            records: &signed,
            signers: &signers,
            head: HeadOptions { lifetime: LIFETIME, ..HeadOptions::default() },
            allow_again: Vec::new(),
            without_revocations: false,
            now,
        })?;
        put_bytes(&self.trust_root(), &read(&trust.path().join("root.1.json"))?)?;
        Ok(policy.document().rule.len())
    }

    fn settle(&self, mode_ceiling: Option<Mode>) -> anyhow::Result<()> {
        let settings = Settings {
            policy: PolicySource {
                dir: Some(self.published()),
                trust_root: Some(self.trust_root()),
                ..PolicySource::default()
            },
            enforcement: Enforcement { mode_ceiling, ..Enforcement::default() },
            state: StateSettings { dir: Some(self.state()) },
            ..Settings::default()
        };
        debug_assert_eq!(settings.schema, settings::SCHEMA);
        put(&self.settings(), &toml::to_string(&settings)?)
    }

    /// What a scan of the laptop finds, judged by the published policy.
    ///
    /// # Errors
    /// The policy does not verify.
    pub(super) fn scan(&self, redactor: &Redactor) -> anyhow::Result<Report> {
        let now = agent::now();
        let demands =
            Demands { min_policy: 1, min_revocations: 0, channel: Some(settings::default_channel()) };
        let in_force = InForce::verified(&self.published(), &self.trust_root(), demands, now)?;
        let ground = ground::lay(&Target::Root(self.laptop()), Some(self.os), &Environment::empty())?;
        let started = std::time::Instant::now();
        let mut outcome = agent::with_bounds(|bounds| pipeline::scan(&ground, bounds, redactor));
        let terms = Terms { in_force: &in_force, now, device: "demo", groups: &[], remembered: None };
        let mut judge = Judge::new(&ground, &ground.machine, terms);
        judge.judge(&mut outcome);
        let run = Run {
            started_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            duration_ms: started.elapsed().as_millis() as u64,
            fingerprint_key: "ephemeral",
            device_id: Some("demo".to_owned()),
            groups: Vec::new(),
            policy: Some(in_force.about(judge.ring())),
        };
        Ok(report::build(&ground, &outcome, &run, redactor))
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(self) -> PathBuf {
        let _ = self.folder.keep();
        self.path
    }

    /// Takes the folder away.
    ///
    /// # Errors
    /// Something of it stays.
    pub(super) fn clear(self) -> anyhow::Result<()> {
        self.folder.close().with_context(|| format!("{} cannot be removed whole", self.path.display()))
    }
}

/// Has the policy end running servers, too; the list that it is made from only has them told.
fn stops_processes(policy: &Path) -> anyhow::Result<()> {
    let text = read_text(policy)?;
    let other = text.replacen("\nmode = ", "\nprocesses = \"stop\"\nmode = ", 1);
    anyhow::ensure!(other != text, "the policy of the demo has no mode");
    put(policy, &other)
}

/// A text file of the laptop.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    Ok(String::from_utf8(read(path)?)?)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(Machine::live().read(path, None, MAX_BYTES)?.bytes)
}

/// A file that is written beside its place, as clients and editors do it.
///
/// # Errors
/// It cannot be written.
pub(super) fn beside(path: &Path, text: &[u8]) -> anyhow::Result<NamedTempFile> {
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.flush()?;
    Ok(file)
}

fn put_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    beside(path, bytes)?.persist(path).map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file with its folders.
///
/// # Errors
/// It cannot be written.
pub(super) fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    put_bytes(path, text.as_bytes())
}
