//! `policy init`.

use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::envelope::PublicKey;

use super::common::{self, Clock, Signing};
use crate::authoring::init::{self, Made, Template};
use crate::authoring::repository::Repository;
use crate::authoring::rotate::RoleName;
use crate::cli::exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Folder of the new repository
    #[arg(default_value = ".")]
    directory: PathBuf,

    /// Name of the policy
    #[arg(long, default_value = "Example Corporation")]
    name: String,

    /// Whom developers ask: an address, a channel or a URL
    #[arg(long, default_value = "security@example.com")]
    contact: String,

    /// The policy to begin with
    #[arg(long, value_name = "TEMPLATE", default_value = "empty")]
    template: Template,

    /// Folder for the private keys, outside the repository [default: DIRECTORY-keys beside it]
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,

    /// One key decides alone: for trying it out and for very small teams
    #[arg(long)]
    solo: bool,

    /// Public key of a role that somebody else or a token holds (root=FILE); no key is made for that role; may be repeated
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_key)]
    role_key: Vec<(RoleName, PublicKey)>,

    /// Leave the new keys without a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    no_passphrase: bool,

    /// Give each new key a passphrase of its own: asked for each, or a line each from --passphrase-file -
    #[arg(long, conflicts_with = "no_passphrase")]
    own_passphrases: bool,

    /// How long the root is valid
    #[arg(long, value_name = "TIME", default_value = "400d", value_parser = common::lifetime)]
    expires_in: SignedDuration,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

/// `ROLE=KEY`, the key a file or base64.
pub(super) fn role_key(text: &str) -> Result<(RoleName, PublicKey), String> {
    let (role, key) = text.split_once('=').ok_or("write ROLE=KEY, for example root=ann.pub")?;
    let role = RoleName::parse(role).map_err(|error| format!("{error:#}"))?;
    let key = common::public_key(key).map_err(|error| format!("{error:#}"))?;
    Ok((role, key))
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let repository = Repository::at(&options.directory)?;
    let keys = match &options.keys {
        Some(keys) => std::path::absolute(keys)?,
        None => {
            let name = repository.path.file_name().map(|n| n.to_string_lossy().into_owned());
            let name = name.ok_or_else(|| anyhow::anyhow!("name a folder for the keys with --keys"))?;
            repository.path.with_file_name(format!("{name}-keys"))
        }
    };
    let passphrase = options.signing.passphrase(environment);
    let made = init::init(&init::Order {
        repository: &repository,
        name: options.name.clone(),
        contact: options.contact.clone(),
        template: options.template,
        keys,
        solo: options.solo,
        held: options.role_key.clone(),
        signers: options.signing.optional(environment)?,
        passphrase: (!options.no_passphrase).then_some(&passphrase),
        own_passphrases: options.own_passphrases,
        now: options.clock.now(),
        lifetime: options.expires_in,
    })?;
    common::say(&human(&made, options))?;
    if let Some(said) = passphrase.exposed().filter(|_| !options.no_passphrase) {
        common::note(&said);
    }
    if options.solo {
        common::note(
            "warning: one key decides alone; whoever steals it owns the fleet. See docs/runbooks.md for the way to 2 of 3.",
        );
    }
    Ok(exit::OK)
}

fn human(made: &Made, options: &Options) -> String {
    let mut out = String::new();
    for file in &made.files {
        let _ = writeln!(out, "wrote {}", file.display());
    }
    for (file, public) in &made.keys {
        let _ = writeln!(out, "key   {} ({})", file.display(), public.key_id());
    }
    let roles = &made.root.roles;
    let _ = writeln!(
        out,
        "root 1: root {} of {}, policy {} of {} ({} where it loosens), emergency {} of {}, online {} of {}; ends {}",
        roles.root.threshold,
        roles.root.keys.len(),
        roles.policy.role.threshold,
        roles.policy.role.keys.len(),
        roles.policy.loosening_threshold,
        roles.emergency.threshold,
        roles.emergency.keys.len(),
        roles.online.threshold,
        roles.online.keys.len(),
        made.root.expires
    );
    let _ = writeln!(
        out,
        "next: give each key to one person, take the root keys offline, and pin trust/root.1.json by MDM"
    );
    if !options.no_passphrase && !options.own_passphrases && made.keys.len() > 1 {
        let _ = writeln!(
            out,
            "all new keys have one passphrase; who is given a key sets an own one: mcpolicy policy key FILE --change-passphrase"
        );
    }
    if options.no_passphrase && !made.keys.is_empty() {
        let _ = writeln!(out, "the keys have no passphrase: whoever can read the files can sign");
    }
    out
}
