//! A break-glass token: one machine only watches for a time, as one line that can be pasted.

use anyhow::ensure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::envelope::Envelope;
use mcpolicy_schema::signed::{Breakglass, MAX_BREAKGLASS_SECONDS, Payload as _, Role, Root};

use super::signer::Signer;
use super::{folder, grant, number};

/// Begins a pasted token.
const TOKEN: &str = "mcpolicy-breakglass-1:";
/// How long a token may lie before it is taken.
const LIES: SignedDuration = SignedDuration::from_hours(72);

/// What to sign.
pub struct Order<'a> {
    /// The device.
    pub device: &'a str,
    /// How long it only watches.
    pub lifetime: SignedDuration,
    /// Why.
    pub reason: &'a str,
    /// Change ticket.
    pub ticket: Option<String>,
    /// Whose signatures count.
    pub root: &'a Root,
    /// Who signs.
    pub signers: &'a [Box<dyn Signer>],
    /// The time.
    pub now: Timestamp,
}

/// Signs a token.
///
/// # Errors
/// The time is too long, or fewer sign than must sign what takes protection away.
pub fn breakglass(order: &Order<'_>) -> anyhow::Result<(Breakglass, Envelope)> {
    let seconds = u32::try_from(order.lifetime.as_secs()).unwrap_or(0);
    ensure!(seconds > 0 && seconds <= MAX_BREAKGLASS_SECONDS, "a token opens for a day at most");
    let token = Breakglass {
        schema: Breakglass::SCHEMA.to_owned(),
        id: grant::random_id("breakglass")?,
        device: order.device.to_owned(),
        seconds,
        reason: order.reason.to_owned(),
        ticket: order.ticket.clone(),
        issued: order.now,
        expires: number::end(order.now, LIES)?,
        crit: Vec::new(),
    };
    let role = &order.root.roles.policy;
    let role = Role { threshold: role.threshold_for(true), ..role.role.clone() };
    let names = ("a break-glass token, which takes protection away,", "policy key", "policy keys");
    let envelope = folder::signed_for(&token, &role, order.signers, names)?;
    Ok((token, envelope))
}

/// A token as one line that goes through chats and shells unharmed.
pub fn line(envelope: &Envelope) -> String {
    format!("{TOKEN}{}", URL_SAFE_NO_PAD.encode(envelope.to_bytes()))
}

/// The envelope in a pasted line, or the bytes as they are.
///
/// # Errors
/// The line is damaged.
pub fn of_line(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    grant::unpack(bytes, TOKEN)
}
