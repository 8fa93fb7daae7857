//! `policy revoke`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use mcpolicy_platform::environment::Environment;
use mcpolicy_schema::revocations::Revoked;

use super::common::{self, Clock, Signing};
use crate::authoring::folder::Folder;
use crate::authoring::publish;
use crate::authoring::repository::Repository;
use crate::authoring::revoke::{self, Change};
use crate::authoring::words::counted;
use crate::cli::exit;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Options {
    /// Id of a rule, exception or grant
    #[arg(group = "what")]
    id: Option<String>,

    /// An identity: npm:NAME[@VERSIONS], pypi:, oci:IMAGE[@sha256:…], git:REPOSITORY[#COMMIT], https://…, executable:PATH
    #[arg(long, group = "what", value_name = "IDENTITY")]
    identity: Option<String>,

    /// SHA-256 of a file or image, 64 hex digits
    #[arg(long, group = "what", value_name = "HEX")]
    sha256: Option<String>,

    /// Fingerprint of an entry, as reports show it
    #[arg(long, group = "what", value_name = "FINGERPRINT")]
    fingerprint: Option<String>,

    /// Every server on a device
    #[arg(long, group = "what", value_name = "ID")]
    device: Option<String>,

    /// Every server of a user
    #[arg(long, group = "what", value_name = "NAME")]
    user: Option<String>,

    /// Every server of a group
    #[arg(long, group = "what", value_name = "NAME")]
    group: Option<String>,

    /// Take a line of the list away, by its id
    #[arg(long, group = "what", value_name = "ID")]
    lift: Option<String>,

    /// Sign the list as it is again, before it ends
    #[arg(long, group = "what")]
    renew: bool,

    /// Why; shown to developers
    #[arg(long, required_unless_present_any = ["lift", "renew"])]
    reason: Option<String>,

    /// Id of the new line [default: revocation-N]
    #[arg(long, value_name = "ID")]
    line_id: Option<String>,

    /// Change ticket
    #[arg(long)]
    ticket: Option<String>,

    /// The published folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// The repository, which remembers the new head [default: the working directory, if it is one]
    #[arg(long, value_name = "DIR")]
    repository: Option<PathBuf>,

    /// How long the list can be taken as new
    #[arg(long, value_name = "TIME", default_value = "180d", value_parser = common::lifetime)]
    expires_in: SignedDuration,

    /// How long the head is valid, 14 days at most
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = common::head_lifetime)]
    head_expires_in: SignedDuration,

    /// Number of the new head, where that of the last one is lost; numbers may be skipped
    #[arg(long, value_name = "N")]
    head_sequence: Option<u64>,

    /// Which fleet the folder is for, where the head that says it is lost
    #[arg(long, value_name = "NAME", requires = "head_sequence")]
    channel: Option<String>,

    #[command(flatten)]
    signing: Signing,

    #[command(flatten)]
    clock: Clock,
}

impl Options {
    /// Where heads are remembered and the newest root is: the repository that is named, or the working directory if that is
    /// one of this policy.
    fn repository(&self, to: &Folder) -> anyhow::Result<Option<Repository>> {
        let repository = match &self.repository {
            Some(path) => Repository::at(path)?,
            None => Repository::at(Path::new("."))?,
        };
        let is_one = repository.policy().is_file();
        anyhow::ensure!(
            is_one || self.repository.is_none(),
            "{} has no policy.toml; name the repository of the policy",
            repository.path.display()
        );
        if !is_one {
            return Ok(None);
        }
        // a head of ours among those of another policy would stop its next publish
        let roots = to.roots()?;
        let is_its_own =
            repository.trust()?.roots()?.iter().any(|(number, root)| roots.get(number) == Some(root));
        anyhow::ensure!(
            is_its_own || self.repository.is_none(),
            "{} is the repository of another policy: it shares no root with {}; name the one of this policy",
            repository.path.display(),
            self.to.display()
        );
        Ok(is_its_own.then_some(repository))
    }

    fn change(&self) -> anyhow::Result<Change> {
        if let Some(id) = &self.lift {
            return Ok(Change::Lift(id.clone()));
        }
        if self.renew {
            return Ok(Change::Renew);
        }
        let texts = [
            (&self.id, Revoked::Rule as fn(String) -> Revoked),
            (&self.sha256, Revoked::Sha256),
            (&self.fingerprint, Revoked::Fingerprint),
            (&self.device, Revoked::Device),
            (&self.user, Revoked::User),
            (&self.group, Revoked::Group),
        ];
        let text = texts.iter().find_map(|(text, make)| text.as_ref().map(|text| make(text.clone())));
        let revoked = match (text, &self.identity) {
            (Some(revoked), _) => revoked,
            (None, Some(identity)) => Revoked::Identity(revoke::identity(identity)?),
            (None, None) => anyhow::bail!("name what is to be denied"),
        };
        let reason = self.reason.clone().unwrap_or_default();
        Ok(Change::Revoke { revoked, reason, id: self.line_id.clone() })
    }
}

pub(super) fn run(options: &Options, environment: &Environment) -> anyhow::Result<u8> {
    let to = Folder::at(&options.to)?;
    let published = to.newest_root()?;
    let repository = options.repository(&to)?;
    let records = repository.as_ref().map(Repository::signed).transpose()?;
    // an emergency is not to wait for a new root to be published: the list is signed by the keys that are trusted now
    let trust = repository.as_ref().map(Repository::trust).transpose()?;
    let newest = trust.as_ref().map(Folder::newest_root).transpose()?;
    let newer = newest.filter(|root| root.sequence > published.sequence);
    // a root by which the published policy is not signed would leave new machines without any: that waits for `publish`
    let newer = match newer {
        Some(root) if publish::vouches_for_published(&to, records.as_ref(), &root)? => Some(root),
        Some(root) => {
            common::note(&format!(
                "warning: root {} of the repository is not published with this, since the published policy is not signed by its \
                 policy keys; sign it again and publish it",
                root.sequence
            ));
            None
        }
        None => None,
    };
    let roots = match &trust {
        Some(trust) if newer.is_some() => publish::roots_for(&to, trust)?,
        _ => BTreeMap::new(),
    };
    let root = newer.unwrap_or_else(|| published.clone());
    let revised = revoke::revise(&revoke::Order {
        to: &to,
        root: &root,
        published: &published,
        roots,
        records: records.as_ref(),
        change: options.change()?,
        ticket: options.ticket.clone(),
        signers: &options.signing.signers(environment)?,
        now: options.clock.now(),
        lifetime: options.expires_in,
        head_lifetime: options.head_expires_in,
        head_sequence: options.head_sequence,
        channel: options.channel.clone(),
    })?;
    let mut out = String::new();
    let what = match (&options.lift, &revised.id) {
        (Some(id), _) => format!("lifted {id}"),
        (None, Some(id)) => format!("revoked as {id}"),
        (None, None) => "renewed".to_owned(),
    };
    let (list, head) = (revised.sequence, revised.head);
    let _ = writeln!(
        out,
        "{what}: revocations {list} with {}, head {head}, in {}",
        counted(revised.list.len(), "line", "lines"),
        options.to.display()
    );
    for warning in revised.warning.iter().chain(&revised.unrecorded) {
        common::note(&format!("warning: {warning}"));
    }
    let next = match (&revised.warning, &revised.id) {
        (Some(_), Some(id)) => format!("if another id was meant, take this line away with --lift {id}"),
        _ if options.lift.is_some() || options.renew => "machines take it up at their next poll".to_owned(),
        _ => "machines deny at their next poll".to_owned(),
    };
    let _ = writeln!(out, "next: serve the folder; {next}");
    out.extend(revised.containment);
    common::say(&out)?;
    Ok(exit::OK)
}
