//! Break-glass: for a time that a signed token gives, this machine only watches.
//!
//! The time runs on the clock since boot, which nobody sets, and ends with the boot: a machine that is started anew
//! enforces. Where there is no such clock the wall clock counts, as far as it is believed.

use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use mcpolicy_platform::durable;
use mcpolicy_platform::machine::Machine;
use mcpolicy_schema::limits::MAX_ENVELOPE_BYTES;
use mcpolicy_schema::trust::{Time, Trust, Uptime};
use serde::{Deserialize, Serialize};

use crate::authoring::breakglass;

/// Largest file of its state, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Most tokens that are remembered as used; each is forgotten when it could not be taken any more.
const MOST: usize = 256;

/// What is kept of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Ids that were taken, and until when they could be.
    #[serde(default)]
    used: Vec<(String, Timestamp)>,
    /// What is open now.
    #[serde(default)]
    open: Option<Open>,
}

/// The glass that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Id of the token.
    pub id: String,
    /// Why.
    pub reason: String,
    /// The boot in which it was taken, and the second of it at which it ends; absent where there is no such clock.
    #[serde(default)]
    boot: Option<(String, u64)>,
    /// When it ends by the wall clock, at the latest.
    pub until: Timestamp,
}

impl Open {
    /// How long it goes on; `None` if it has ended.
    pub fn left(&self, now: Timestamp, uptime: Option<&Uptime>) -> Option<SignedDuration> {
        let by_wall = self.until.duration_since(now);
        let by_boot = match (&self.boot, uptime) {
            (Some((boot, end)), Some(uptime)) if *boot == uptime.boot => SignedDuration::from_secs(
                i64::try_from(*end).ok()?.checked_sub(i64::try_from(uptime.seconds).ok()?)?,
            ),
            // another boot, or a clock that is not there any more
            (Some(_), _) => return None,
            (None, _) => by_wall,
        };
        Some(by_wall.min(by_boot)).filter(|left| left.is_positive())
    }
}

/// Takes a token for this device.
///
/// # Errors
/// It is none, not for this device, or was taken before.
pub fn take(
    file: &Path,
    (trust, time): (&Trust, Time),
    token: &str,
    (device, uptime): (&str, Option<&Uptime>),
) -> anyhow::Result<Open> {
    let bytes = breakglass::of_line(token.as_bytes())?;
    ensure!(bytes.len() <= MAX_ENVELOPE_BYTES, "this is no break-glass token: it is too long");
    let token = trust.breakglass(&bytes, time)?;
    ensure!(!device.is_empty(), "this machine has no id by which a token could name it: set `device.id`");
    ensure!(token.device == device, "the token is for another device ({}), not for {device}", token.device);
    let now = time.judging;
    let mut kept = read(file)?;
    kept.used.retain(|(_, expires)| *expires > now);
    ensure!(kept.used.iter().all(|(id, _)| *id != token.id), "this token was taken before; each counts once");
    ensure!(kept.used.len() < MOST, "{MOST} tokens were taken lately; wait until they have expired");
    let length = SignedDuration::from_secs(token.seconds.into());
    let open = Open {
        id: token.id.clone(),
        reason: token.reason.clone(),
        boot: uptime.map(|uptime| (uptime.boot.clone(), uptime.seconds + u64::from(token.seconds))),
        until: now.checked_add(length).context("the token is valid for too long")?,
    };
    kept.used.push((token.id, token.expires));
    kept.open = Some(open.clone());
    // on disk before it counts: a crash must not make it new again
    durable::write(file, &serde_json::to_vec(&kept)?).context("cannot keep that the token was taken")?;
    Ok(open)
}

/// What is open, and whether it goes on. `Err` is what has just ended: it is told once.
///
/// # Errors
/// The state cannot be read or written: nothing is open then.
pub fn open(
    file: &Path,
    now: Timestamp,
    uptime: Option<&Uptime>,
) -> anyhow::Result<Option<Result<Open, Open>>> {
    let mut kept = read(file)?;
    let Some(open) = kept.open.take() else { return Ok(None) };
    if open.left(now, uptime).is_some() {
        return Ok(Some(Ok(open)));
    }
    durable::write(file, &serde_json::to_vec(&kept)?)
        .context("cannot keep that the break-glass time is over")?;
    Ok(Some(Err(open)))
}

fn read(file: &Path) -> anyhow::Result<Kept> {
    if std::fs::symlink_metadata(file).is_err() {
        return Ok(Kept::default());
    }
    let snapshot = Machine::live().read(file, None, MAX_BYTES);
    let bytes = snapshot.with_context(|| format!("cannot read {}", file.display()))?.bytes;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_ends_with_the_boot_and_by_whichever_clock_comes_first() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let uptime = |boot: &str, seconds| Uptime { boot: boot.to_owned(), seconds };
        let open = Open {
            id: "b".to_owned(),
            reason: "r".to_owned(),
            boot: Some(("one".to_owned(), 160)),
            until: at(1060),
        };
        let left =
            |now, uptime: Option<Uptime>| open.left(at(now), uptime.as_ref()).map(|left| left.as_secs());
        assert_eq!(left(1000, Some(uptime("one", 100))), Some(60));
        // the wall clock is set back
        assert_eq!(left(10, Some(uptime("one", 150))), Some(10));
        assert_eq!(left(10, Some(uptime("one", 160))), None);
        // or ahead
        assert_eq!(left(1060, Some(uptime("one", 100))), None);
        assert_eq!(left(1000, Some(uptime("two", 5))), None);
        assert_eq!(left(1000, None), None);
        let without = Open { boot: None, ..open.clone() };
        assert_eq!(without.left(at(1059), None).map(|left| left.as_secs()), Some(1));
        assert_eq!(without.left(at(1060), None), None);
    }
}
