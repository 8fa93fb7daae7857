//! The emergency list: what is denied now, whatever the policy allows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::IdentityMatcher;
use crate::policy::Fault;
use crate::policy::index::Index;
use crate::policy::key;
use crate::policy::rule::{Meant, Versions};

/// The value of [`RevocationsDocument::schema`].
pub const SCHEMA: &str = "mcpolicy/revocations/v1";

/// What one revocation takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Revoked {
    /// A rule, exception or grant by its id.
    Rule(String),
    /// An identity.
    Identity(IdentityMatcher),
    /// A digest of a file or image (64 hex digits).
    Sha256(String),
    /// An entry by its fingerprint.
    Fingerprint(String),
    /// Every server on a device.
    Device(String),
    /// Every server of a user.
    User(String),
    /// Every server of a group.
    Group(String),
}

/// One line of the emergency list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct Revocation {
    /// Unique in the list.
    pub id: String,
    /// What is taken back.
    pub revoked: Revoked,
    /// Why; shown to developers.
    pub reason: String,
    /// Change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// The body of a revocations document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub struct RevocationsDocument {
    /// Always `mcpolicy/revocations/v1`.
    pub schema: String,
    /// The list.
    #[serde(default)]
    pub revocation: Vec<Revocation>,
}

/// An identity that is taken back.
#[derive(Debug, Clone)]
pub(crate) struct RevokedIdentity {
    /// Its number in the list.
    pub(crate) at: usize,
    pub(crate) matcher: IdentityMatcher,
    pub(crate) meant: Meant,
}

/// The compiled list.
#[derive(Debug, Clone)]
pub struct Revocations {
    document: RevocationsDocument,
    /// Everything but identities, by kind and text.
    by_text: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// Identities; the numbers lead to `identities`.
    pub(crate) index: Index,
    pub(crate) identities: Vec<RevokedIdentity>,
}

impl Revocations {
    /// Compiles a list.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn compile(document: RevocationsDocument) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |place: String, message: String| faults.push(Fault::at(place, message));
        if document.schema != SCHEMA {
            fault("/schema".to_owned(), format!("write `{SCHEMA}`"));
        }
        let mut by_text: BTreeMap<&'static str, BTreeMap<String, usize>> = BTreeMap::new();
        let mut identities = Vec::new();
        let mut versions = Versions::default();
        let mut ids = std::collections::BTreeSet::new();
        for (at, revocation) in document.revocation.iter().enumerate() {
            if revocation.id.is_empty() || !ids.insert(&revocation.id) {
                fault(format!("/revocation/{at}/id"), "each revocation has an id of its own".to_owned());
            }
            match text_of(&revocation.revoked) {
                Err(identity) => match Meant::new(identity, &mut versions) {
                    Ok(meant) => identities.push(RevokedIdentity { at, matcher: identity.clone(), meant }),
                    Err((member, message)) => {
                        fault(format!("/revocation/{at}/revoked/identity/{member}"), message);
                    }
                },
                Ok((kind, text)) => {
                    let text = if kind == "sha256" { text.trim_start_matches("sha256:") } else { text };
                    let is_digest = || crate::policy::is_sha256(&text.to_ascii_lowercase());
                    if text.is_empty() || (kind == "sha256" && !is_digest()) {
                        fault(format!("/revocation/{at}/revoked/{kind}"), format!("this is no {kind}"));
                    }
                    by_text.entry(kind).or_default().entry(folded(kind, text)).or_insert(at);
                }
            }
        }
        let index = Index::new(identities.iter().map(|identity| key::of_matcher(&identity.matcher)));
        if faults.is_empty() { Ok(Self { document, by_text, index, identities }) } else { Err(faults) }
    }

    /// The list that was compiled.
    pub fn document(&self) -> &RevocationsDocument {
        &self.document
    }

    /// Whether digests of files are wanted to hold them against the list.
    pub fn wants_digests(&self) -> bool {
        self.by_text.contains_key("sha256")
    }

    pub(crate) fn revokes_rule(&self, id: &str) -> bool {
        self.find("rule", id).is_some()
    }

    /// The revocation of a text of one kind.
    pub(crate) fn find(&self, kind: &'static str, text: &str) -> Option<&Revocation> {
        self.by_text.get(kind)?.get(&folded(kind, text)).map(|at| &self.document.revocation[*at])
    }
}

/// A text as it is compared. A denial is read widely: the names of devices, users and groups are the same in any case,
/// as they are on Windows and in directories, and so are hex digits. Ids of rules are what the policy says.
fn folded(kind: &str, text: &str) -> String {
    if kind == "rule" { text.to_owned() } else { text.to_lowercase() }
}

/// Kind and text of everything but identities.
fn text_of(revoked: &Revoked) -> Result<(&'static str, &str), &IdentityMatcher> {
    Ok(match revoked {
        Revoked::Rule(id) => ("rule", id),
        Revoked::Identity(identity) => return Err(identity),
        Revoked::Sha256(digest) => ("sha256", digest),
        Revoked::Fingerprint(fingerprint) => ("fingerprint", fingerprint),
        Revoked::Device(id) => ("device", id),
        Revoked::User(name) => ("user", name),
        Revoked::Group(name) => ("group", name),
    })
}
