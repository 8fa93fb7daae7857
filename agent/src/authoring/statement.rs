//! Signing a policy: the statement about the body that `policy.toml` compiles to. Several people sign one after the
//! other; each adds a signature to the same statement.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::limits::{MAX_ENVELOPE_BYTES, MAX_POLICY_BODY_BYTES};
use mcpolicy_schema::loosens::{Loosening, loosening};
use mcpolicy_schema::signed::{self, Digest, Payload as _, Root, Statement};

use super::folder::{self, Folder};
use super::lock::Lock;
use super::number;
use super::signer::Signer;

/// How far a number given by hand may lie beyond the newest: a slip of the finger cannot be taken back.
const LONGEST_LEAP: u64 = 1_000_000;

/// What to sign.
pub struct Order<'a> {
    /// The policy.
    pub document: &'a PolicyDocument,
    /// Whose signatures count.
    pub root: &'a Root,
    /// Who signs now.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
    /// How long it is valid.
    pub lifetime: SignedDuration,
    /// Change ticket.
    pub ticket: Option<String>,
    /// A new statement even if the newest one is about the same body.
    pub anew: bool,
    /// Its number; absent: one more than the newest.
    pub sequence: Option<u64>,
}

/// A statement with its signatures so far.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What it says.
    pub statement: Statement,
    /// How many policy keys have signed it.
    pub valid: usize,
    /// How many must.
    pub needed: u32,
    /// How the policy takes protection away.
    pub loosening: Vec<Loosening>,
    /// Whether an earlier statement got a further signature.
    pub continued: bool,
}

/// The body of a policy: what is signed and published.
///
/// # Errors
/// It is larger than a machine reads.
pub fn body(document: &PolicyDocument) -> anyhow::Result<Vec<u8>> {
    let mut body = serde_json::to_vec_pretty(document)?;
    body.push(b'\n');
    ensure!(
        body.len() <= MAX_POLICY_BODY_BYTES,
        "the policy has {} bytes as JSON, more than the {MAX_POLICY_BODY_BYTES} that a machine reads; make it smaller",
        body.len()
    );
    Ok(body)
}

/// Signs, in the folder of statements.
///
/// # Errors
/// No signer holds a policy key, or files cannot be read or written.
pub fn sign(folder: &Folder, order: &Order<'_>) -> anyhow::Result<Signed> {
    std::fs::create_dir_all(folder.path())
        .with_context(|| format!("cannot make the folder {}", folder.path().display()))?;
    let _held = Lock::take(folder.path())?;
    let role = &order.root.roles.policy;
    let holds = order.signers.iter().any(|s| role.role.keys.contains(&s.public_key()));
    ensure!(
        holds,
        "none of the keys given is a policy key of root {}; `mcpolicy policy rotate` adds one",
        order.root.sequence
    );
    ensure!(
        order.root.issued <= order.now,
        "the clock says {}, but root {} was made {}; set the clock",
        order.now,
        order.root.sequence,
        order.root.issued
    );
    ensure!(
        order.root.expires > order.now,
        "root {} ended {}, so machines would take nothing; renew it first with `mcpolicy policy rotate --renew`",
        order.root.sequence,
        order.root.expires
    );
    let body = body(order.document)?;
    let newest = folder.numbers("policy")?.last().copied();
    let continued = match newest {
        Some(number) if !order.anew => same(folder, number, &body, order.now)?,
        _ => None,
    };
    let is_continued = continued.is_some();
    let loosening = loosening(order.document);
    let envelope = match continued {
        Some(envelope) => envelope,
        None => {
            let next = match order.sequence {
                Some(next) => next,
                None => number::after(newest.unwrap_or(0), "the newest policy in signed/")?,
            };
            ensure!(
                newest.is_none_or(|n| next > n),
                "sequence {next} is not higher than {}",
                newest.unwrap_or(0)
            );
            ensure!(
                next <= newest.unwrap_or(0).saturating_add(LONGEST_LEAP),
                "sequence {next} leaps too far beyond {}: machines would never take a lower one again; take a nearer number",
                newest.unwrap_or(0)
            );
            folder::unsigned(&statement(order, next, &body, !loosening.is_empty())?)?
        }
    };
    let (envelope, valid) = folder::sign(envelope, &role.role.keys, order.signers)?;
    let statement: Statement = signed::decode(envelope.payload())?;
    let n = statement.sequence;
    folder.write(&[(format!("policy.{n}.body"), body), (format!("policy.{n}.json"), envelope.to_bytes())])?;
    let needed = role.threshold_for(!loosening.is_empty());
    Ok(Signed { statement, valid, needed, loosening, continued: is_continued })
}

fn statement(order: &Order<'_>, sequence: u64, body: &[u8], loosens: bool) -> anyhow::Result<Statement> {
    Ok(Statement {
        schema: Statement::SCHEMA.to_owned(),
        sequence,
        issued: order.now,
        expires: number::end(order.now, order.lifetime)?,
        name: order.document.policy.name.clone(),
        ticket: order.ticket.clone(),
        body: Digest::of(body),
        loosens,
        crit: Vec::new(),
    })
}

/// The newest statement, if it is about this very body and has not ended.
fn same(folder: &Folder, number: u64, body: &[u8], now: Timestamp) -> anyhow::Result<Option<Envelope>> {
    let (envelope, statement, _) = load(folder, number)?;
    Ok((statement.body == Digest::of(body) && statement.expires > now).then_some(envelope))
}

/// A statement with its body. The signatures are not looked at.
///
/// # Errors
/// It is not there or damaged.
pub fn load(folder: &Folder, number: u64) -> anyhow::Result<(Envelope, Statement, Vec<u8>)> {
    let name = format!("policy.{number}.json");
    let place = || format!("{name} in {}", folder.path().display());
    let Some(bytes) = folder.read(&name, MAX_ENVELOPE_BYTES)? else {
        bail!("{} is not there; sign the policy first with `mcpolicy policy sign`", place());
    };
    let not_good = || format!("{} is not good; restore it as it was committed, or sign anew", place());
    let envelope = Envelope::parse(&bytes).with_context(not_good)?;
    envelope.must_be(Statement::PAYLOAD_TYPE).with_context(not_good)?;
    let statement: Statement = signed::decode(envelope.payload()).with_context(not_good)?;
    ensure!(
        statement.sequence == number,
        "{} says sequence {}; restore the file",
        place(),
        statement.sequence
    );
    let body = folder.read(&format!("policy.{number}.body"), MAX_POLICY_BODY_BYTES)?;
    let body = body.with_context(|| format!("the body of {} is not there; restore it", place()))?;
    folder::is_body(&body, &statement.body).with_context(place)?;
    Ok((envelope, statement, body))
}
