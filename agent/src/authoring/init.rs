//! A new repository: policy, tests, CI, keys and the first root.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::PublicKey;
use mcpolicy_schema::signed::{Payload as _, PolicyRole, Role, Roles, Root};

use super::folder;
use super::number;
use super::repository::Repository;
use super::rotate::RoleName;
use super::signer::{self, PassphraseSource, Signer};

/// The policy that a new repository begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// Settings and one rule as a comment
    Empty,
    /// A realistic allowlist of 61 servers: exact versions, enforced
    DemoStrict,
    /// The same servers for a pilot: watched and reported
    DemoPilot,
}

impl Template {
    /// The text, for a repository of this name and contact.
    fn policy(self, name: &str, contact: &str) -> String {
        let (name, contact) = (in_toml(name), in_toml(contact));
        let demo = |text: &str, called: &str| {
            text.replacen(DEMO_SCHEMA, "#:schema ./policy-v1.schema.json", 1)
                .replacen(&format!("name = \"{called}\""), &format!("name = \"{name}\""), 1)
                .replacen("contact = \"#ask-security\"", &format!("contact = \"{contact}\""), 1)
        };
        match self {
            Self::Empty => filled(include_str!("templates/policy.toml"), &name, &contact),
            Self::DemoStrict => {
                demo(include_str!("../../../docs/examples/demo-strict.policy.toml"), "demo-strict")
            }
            Self::DemoPilot => {
                demo(include_str!("../../../docs/examples/demo-pilot.policy.toml"), "demo-pilot")
            }
        }
    }
}

/// The line with which the demo policies name their schema in this repository.
const DEMO_SCHEMA: &str = "#:schema ../../policy-schema/schema/policy-v1.schema.json";

/// Every other file of a new repository that is not made of keys.
const FILES: &[(&str, &str)] = &[
    ("tests.toml", include_str!("templates/tests.toml")),
    ("README.md", include_str!("templates/README.md")),
    ("ci.sh", include_str!("templates/ci.sh")),
    (".gitignore", include_str!("templates/gitignore")),
    (".gitlab-ci.yml", include_str!("templates/gitlab-ci.yml")),
    (".github/workflows/policy.yml", include_str!("templates/github-workflow.yml")),
    ("policy-v1.schema.json", include_str!("../../../policy-schema/schema/policy-v1.schema.json")),
];

/// What to make.
pub struct Order<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Name of the policy.
    pub name: String,
    /// Whom developers ask.
    pub contact: String,
    /// What the policy begins with.
    pub template: Template,
    /// Where keys go; never into the repository.
    pub keys: PathBuf,
    /// One key for everything.
    pub solo: bool,
    /// Keys that others hold, or that stay in a token or KMS.
    pub held: Vec<(RoleName, PublicKey)>,
    /// Signers for keys that are held elsewhere.
    pub signers: Vec<Box<dyn Signer>>,
    /// Passphrase of new keys; `None` leaves them plain.
    pub passphrase: Option<&'a PassphraseSource>,
    /// Each key gets a passphrase of its own.
    pub own_passphrases: bool,
    /// The time.
    pub now: Timestamp,
    /// How long the root is valid.
    pub lifetime: SignedDuration,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// Files, in order.
    pub files: Vec<PathBuf>,
    /// New private keys with their public halves.
    pub keys: Vec<(PathBuf, PublicKey)>,
    /// The first root.
    pub root: Root,
    /// How many of its keys have signed it, and how many must.
    pub signed: (usize, u32),
}

/// Makes a repository. Nothing that is there is overwritten.
///
/// # Errors
/// Something is there already, or cannot be written.
pub fn init(order: &Order<'_>) -> anyhow::Result<Made> {
    for (option, text) in [("--name", &order.name), ("--contact", &order.contact)] {
        ensure!(!text.trim().is_empty(), "{option} is empty; developers are shown it, so say something");
    }
    ensure!(
        !order.own_passphrases || order.passphrase.is_none_or(PassphraseSource::is_for_each),
        "--own-passphrases asks on the terminal, or reads one line for each key from --passphrase-file -"
    );
    let expires = number::end(order.now, order.lifetime)?;
    let path = &order.repository.path;
    let files = contents(order);
    for (name, _) in &files {
        let there = path.join(name);
        ensure!(!there.exists(), "{} is there already; init makes a new repository only", there.display());
    }
    let trust = order.repository.trust()?;
    ensure!(
        trust.roots()?.is_empty(),
        "{} holds a root already; use `mcpolicy policy rotate`",
        trust.path().display()
    );
    ensure!(
        !order.keys.starts_with(path),
        "{} lies in the repository, where keys would be committed; name a folder outside with --keys",
        order.keys.display()
    );
    for (name, _) in wanted(order) {
        let there = order.keys.join(&name);
        ensure!(
            !there.exists() && !there.with_extension("pub").exists(),
            "{} is there already, and a key is never replaced; name another folder with --keys",
            there.display()
        );
    }
    let (keys, signers) = make_keys(order)?;
    let root = root(order, expires, &keys);
    let envelope = folder::unsigned(&root)?;
    let (envelope, valid) = folder::sign(envelope, &root.roles.root.keys, &order.signers)?;
    let (envelope, valid) = if valid >= root.roles.root.threshold as usize {
        (envelope, valid)
    } else {
        folder::sign(envelope, &root.roles.root.keys, &signers)?
    };
    let complete = valid >= root.roles.root.threshold as usize;
    ensure!(
        complete,
        "root.1 needs {} root keys, {valid} signed; give the signers of the keys that are held elsewhere with --signer \
         and --public-key, or let one key sign and add the others with `mcpolicy policy rotate`",
        root.roles.root.threshold
    );
    let mut written = Vec::new();
    for (name, text) in files {
        let file = path.join(name);
        folder::create(&file, text.as_bytes())?;
        written.push(file);
    }
    trust.write(&[("root.1.json".to_owned(), envelope.to_bytes())])?;
    written.push(trust.path().join("root.1.json"));
    let signed = (valid, root.roles.root.threshold);
    let keys = keys.into_iter().filter_map(|key| key.file.map(|file| (file, key.public))).collect();
    Ok(Made { files: written, keys, root, signed })
}

/// The files and what is in them.
fn contents(order: &Order<'_>) -> Vec<(&'static str, String)> {
    let (name, contact) = (in_toml(&order.name), in_toml(&order.contact));
    let others = FILES.iter().map(|(file, template)| (*file, filled(template, &name, &contact)));
    let policy = order.template.policy(&order.name, &order.contact);
    std::iter::once(("policy.toml", policy)).chain(others).collect()
}

fn filled(template: &str, name: &str, contact: &str) -> String {
    template.replace("@NAME@", name).replace("@CONTACT@", contact)
}

/// A text inside the quotes of a TOML string.
fn in_toml(text: &str) -> String {
    let quoted = toml::Value::String(text.replace(['\n', '\r'], " ")).to_string();
    let escaped = serde_json::Value::from(text.replace(['\n', '\r'], " ")).to_string();
    let shown = if quoted.starts_with('"') && !quoted.starts_with("\"\"\"") { quoted } else { escaped };
    shown[1..shown.len() - 1].to_owned()
}

struct Key {
    roles: Vec<RoleName>,
    public: PublicKey,
    file: Option<PathBuf>,
}

/// The usual keys: how many of each role.
const USUAL: [(RoleName, usize); 4] =
    [(RoleName::Root, 3), (RoleName::Policy, 2), (RoleName::Emergency, 2), (RoleName::Online, 1)];

type Signers = Vec<Box<dyn Signer>>;

/// The keys to make, by file name.
fn wanted(order: &Order<'_>) -> Vec<(String, Vec<RoleName>)> {
    let is_held = |role: RoleName| order.held.iter().any(|(held, _)| *held == role);
    let mut wanted: Vec<(String, Vec<RoleName>)> = Vec::new();
    if order.solo {
        let roles: Vec<RoleName> = RoleName::ALL.into_iter().filter(|role| !is_held(*role)).collect();
        if !roles.is_empty() {
            wanted.push(("solo.pem".to_owned(), roles));
        }
    } else {
        for (role, count) in USUAL.into_iter().filter(|(role, _)| !is_held(*role)) {
            for n in 1..=count {
                wanted.push((format!("{}-{n}.pem", role.as_str()), vec![role]));
            }
        }
    }
    wanted
}

fn make_keys(order: &Order<'_>) -> anyhow::Result<(Vec<Key>, Signers)> {
    let mut keys: Vec<Key> = order
        .held
        .iter()
        .map(|(role, public)| Key { roles: vec![*role], public: *public, file: None })
        .collect();
    let wanted = wanted(order);
    let mut signers: Signers = Vec::new();
    if wanted.is_empty() {
        return Ok((keys, signers));
    }
    std::fs::create_dir_all(&order.keys)
        .with_context(|| format!("cannot make the folder {}", order.keys.display()))?;
    let common = order.passphrase.filter(|_| !order.own_passphrases);
    let common = common.map(|source| source.get_new("the keys of this repository")).transpose()?;
    for (name, roles) in wanted {
        let own = order.passphrase.filter(|_| order.own_passphrases);
        let own = own.map(|source| source.get_new(&name)).transpose()?;
        let file = order.keys.join(name);
        let passphrase = own.as_ref().or(common.as_ref()).map(|text| text.as_str());
        let made = signer::generate_signer(&file, passphrase)?;
        let public = made.public_key();
        let named = file.with_extension("pub");
        folder::create(&named, format!("{public}\n").as_bytes())?;
        if roles.contains(&RoleName::Root) {
            signers.push(Box::new(made));
        }
        keys.push(Key { roles, public, file: Some(file) });
    }
    Ok((keys, signers))
}

fn root(order: &Order<'_>, expires: Timestamp, keys: &[Key]) -> Root {
    let role = |name: RoleName, threshold: u32| {
        let keys: Vec<PublicKey> =
            keys.iter().filter(|k| k.roles.contains(&name)).map(|k| k.public).collect();
        let most = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        Role { threshold: threshold.min(most).max(1), keys }
    };
    let policy = role(RoleName::Policy, 1);
    let loosening_threshold = if order.solo { 1 } else { 2 };
    Root {
        schema: Root::SCHEMA.to_owned(),
        sequence: 1,
        issued: order.now,
        expires,
        roles: Roles {
            root: role(RoleName::Root, if order.solo { 1 } else { 2 }),
            policy: PolicyRole { role: policy, loosening_threshold },
            emergency: role(RoleName::Emergency, 1),
            online: role(RoleName::Online, 1),
        },
        reset: None,
        crit: Vec::new(),
    }
}
