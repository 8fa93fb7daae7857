//! The root: whose signatures count for what.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{numbered_payload, require};
use crate::envelope::PublicKey;
use crate::limits::MAX_SEQUENCE;

/// Keys and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// How many different ones must sign.
    pub threshold: u32,
}

impl Role {
    /// The keys as a set.
    pub fn key_set(&self) -> BTreeSet<PublicKey> {
        self.keys.iter().copied().collect()
    }

    fn check(&self, name: &str) -> Result<(), String> {
        let distinct = self.key_set().len();
        require(distinct == self.keys.len(), || format!("role {name} lists a key twice"))?;
        require(self.threshold > 0, || format!("role {name} has the threshold 0"))?;
        require(u32::try_from(distinct).is_ok_and(|keys| keys >= self.threshold), || {
            format!("role {name} demands {} signatures of {distinct} keys", self.threshold)
        })
    }
}

/// The role that signs policies and grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRole {
    /// Keys and threshold.
    #[serde(flatten)]
    pub role: Role,
    /// How many must sign a policy that loosens (see [`crate::loosens`]). More than there are keys: none may.
    #[serde(default = "two")]
    pub loosening_threshold: u32,
}

impl PolicyRole {
    /// How many must sign a policy.
    pub fn threshold_for(&self, loosens: bool) -> u32 {
        if loosens { self.loosening_threshold.max(self.role.threshold) } else { self.role.threshold }
    }
}

fn two() -> u32 {
    2
}

/// Who may sign what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// The next root. Kept offline.
    pub root: Role,
    /// Policies and grants.
    pub policy: PolicyRole,
    /// Revocations, which may only deny.
    pub emergency: Role,
    /// Heads.
    pub online: Role,
}

impl Roles {
    fn check(&self) -> Result<(), String> {
        self.root.check("root")?;
        self.policy.role.check("policy")?;
        self.emergency.check("emergency")?;
        self.online.check("online")?;
        require(self.policy.loosening_threshold > 0, || "`loosening_threshold` is 0".to_owned())
    }
}

/// New floors in place of the stored ones: how to recover when a stolen key has signed enormous sequence numbers
/// (fast-forward). Counts once, when the root is first accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Lowest head that is taken.
    pub head: u64,
    /// Lowest policy that is taken.
    pub policy: u64,
    /// Lowest revocations that are taken.
    pub revocations: u64,
}

impl Reset {
    fn check(&self) -> Result<(), String> {
        let greatest = self.head.max(self.policy).max(self.revocations);
        require(greatest <= MAX_SEQUENCE, || {
            format!("it sets a floor to {greatest}, above {MAX_SEQUENCE}, the greatest that counts")
        })
    }
}

/// The payload of `root.N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Always `mcpolicy/root/v1`.
    pub schema: String,
    /// Its number: one more than that of the root before.
    pub sequence: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// When it ends. A newer one must be published before.
    pub expires: Timestamp,
    /// Who may sign what.
    pub roles: Roles,
    /// Recovery from fast-forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// Members that a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crit: Vec<String>,
}

numbered_payload!(
    Root,
    "root",
    "root",
    [schema, sequence, issued, expires, roles, reset, crit],
    |root: &Self| {
        root.roles.check()?;
        root.reset.as_ref().map_or(Ok(()), Reset::check)
    }
);
