//! When the signed documents of a repository and of a published folder end: after that machines refuse them.

use anyhow::Context as _;
use jiff::Timestamp;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::signed::{Payload, RevocationsStatement, Role, Root, Statement};

use super::before::{self, Before};
use super::folder::{self, Folder};
use super::statement;

/// A document that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// What it is: `the signed policy 3`.
    pub what: String,
    /// Its file.
    pub file: String,
    /// When.
    pub expires: Timestamp,
    /// How many days ahead it is told.
    pub ahead: i64,
    /// What to do.
    pub help: &'static str,
}

/// How far ahead long-lived documents are told, in days.
const AHEAD: i64 = 30;
/// The same for the head, which lives for days.
const AHEAD_OF_HEAD: i64 = 2;

/// The newest policy that was signed in a repository, if there is one.
///
/// # Errors
/// It is there and not good.
pub fn signed(folder: &Folder) -> anyhow::Result<Option<Ends>> {
    let Some(number) = folder.numbers("policy")?.last().copied() else { return Ok(None) };
    let (_, statement, _) = statement::load(folder, number)?;
    Ok(Some(Ends {
        what: format!("the signed policy {number}"),
        file: format!("signed/policy.{number}.json"),
        expires: statement.expires,
        ahead: AHEAD,
        help: "sign it again with `mcpolicy policy sign --new`, and publish",
    }))
}

/// Head, policy and emergency list of a published folder. `records` is where the repository keeps the last heads.
///
/// # Errors
/// There is no head, one of them is not what the root's keys have signed, or the folder is older than what was published
/// before.
pub fn published(site: &Folder, root: &Root, records: &Folder) -> anyhow::Result<Vec<Ends>> {
    let before = Before::read(site, root)?.recorded(records, None, root, &site.roots()?)?;
    before.must_not_be_lost(site)?;
    before.has_the_recorded_list(site)?;
    before.is_not_older(site)?;
    let policy = before.policy(site, root)?.sequence;
    let revocations = before.revocations;
    let head = before.head.with_context(|| before::nothing(site))?;
    let at = |name: &str| site.path().join(name).display().to_string();
    let mut all = vec![Ends {
        what: format!("the published head {}", head.sequence),
        file: at(folder::HEAD),
        expires: head.expires,
        ahead: AHEAD_OF_HEAD,
        help: "renew it with `mcpolicy policy publish --refresh`, which a job should do every day",
    }];
    let name = format!("policy.{policy}.json");
    all.push(Ends {
        what: format!("the published policy {policy}"),
        expires: load::<Statement>(site, &name, &root.roles.policy.role)?.expires,
        file: at(&name),
        ahead: AHEAD,
        help: "sign it again with `mcpolicy policy sign --new`, and publish",
    });
    if let Some(elsewhere) = head.elsewhere {
        let name = format!("policy.{}.json", elsewhere.sequence);
        all.push(Ends {
            what: format!("policy {}, which all machines outside of the ring have,", elsewhere.sequence),
            expires: load::<Statement>(site, &name, &root.roles.policy.role)?.expires,
            file: at(&name),
            ahead: AHEAD,
            help: "end the pilot with `--ring \"\"`, or sign its text again as a newer policy, publish that to all, and begin the \
                   pilot anew",
        });
    }
    if let Some(revocations) = revocations {
        let name = format!("revocations.{}.json", revocations.sequence);
        all.push(Ends {
            what: format!("the emergency list {}", revocations.sequence),
            expires: load::<RevocationsStatement>(site, &name, &root.roles.emergency)?.expires,
            file: at(&name),
            ahead: AHEAD,
            help: "sign it again with `mcpolicy policy revoke --renew`",
        });
    }
    Ok(all)
}

fn load<T: Payload>(site: &Folder, name: &str, role: &Role) -> anyhow::Result<T> {
    let place = || format!("{} in {}", name, site.path().display());
    let bytes = site.read(name, MAX_ENVELOPE_BYTES)?;
    let bytes = bytes
        .with_context(|| format!("{} is not there, although the head names it; publish again", place()))?;
    folder::verified(&bytes, role).with_context(|| format!("{} is not good; publish again", place()))
}
