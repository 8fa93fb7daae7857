//! How long a pass lets vault and journal keep what is in them.

use jiff::{SignedDuration, Timestamp};
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::trust::Staleness;

use super::pass::Setting;
use crate::in_force::InForce;
use crate::journal::{Event, Journal, What};
use crate::settings::Settings;
use crate::vault::{Limits, Vault};

/// Most originals of one user: each pass reads what all of them are, and a newer policy considers each.
const MOST_OF_USER: usize = 5_000;

/// What may stay, at one time.
pub struct House<'a> {
    settings: &'a Settings,
    redactor: &'a Redactor,
    now: Timestamp,
    /// The policy's servers have confirmed lately that it is about this time.
    ///
    /// Attack, or a battery: one pass with a clock that is months ahead would let go of every original and every record
    /// for their age.
    is_time_known: bool,
}

impl<'a> House<'a> {
    /// What may stay after a pass under a policy.
    pub fn of(setting: &Setting<'a>, in_force: &InForce) -> Self {
        let is_time_known = in_force.staleness == Some(Staleness::Fresh.as_str());
        Self { settings: setting.settings, redactor: setting.redactor, now: setting.now, is_time_known }
    }

    /// Most bytes that the vault may have.
    pub fn room(&self) -> u64 {
        u64::from(self.settings.vault.max_mib) << 20
    }

    /// Shrinks and lets go what is old or too much.
    ///
    /// # Errors
    /// Vault or journal cannot be written.
    pub fn keep(&self, vault: &Vault, journal: &mut Journal) -> anyhow::Result<()> {
        if self.is_time_known {
            vault.shrink(self.now)?;
        }
        self.prune_vault(vault, journal)?;
        let limits = self.settings.journal;
        journal.prune(self.now, self.keep_after(limits.keep_days), u64::from(limits.max_mib) << 20)?;
        Ok(())
    }

    /// Lets go of originals that are old or too much.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub fn prune_vault(&self, vault: &Vault, journal: &mut Journal) -> anyhow::Result<()> {
        let keep_after = self.keep_after(self.settings.vault.keep_days);
        let pruned = vault.prune(Limits {
            keep_after,
            taken_now: self.now,
            most_bytes: self.room(),
            most_of_user: MOST_OF_USER,
        })?;
        for item in pruned.items {
            let path = self.redactor.name(&item.path.to_string());
            let what = format!("the original of {path} ({}) is not kept any longer", item.id);
            let event = Event { user: item.user, ..Event::new("vault-pruned", what) };
            journal.append_of(self.now, What::Event(event), item.uid)?;
        }
        for (user, count) in pruned.too_many {
            let what = format!(
                "the oldest originals are not kept any longer: no more than {MOST_OF_USER} of one user are"
            );
            let event = Event { user, count: Some(count), ..Event::new("vault-pruned", what) };
            journal.append(self.now, What::Event(event))?;
        }
        for path in pruned.damaged {
            let what = format!("{} of the vault was damaged and is not kept any longer", path.display());
            journal.append(self.now, What::Event(Event::new("vault-pruned", what)))?;
        }
        Ok(())
    }

    fn keep_after(&self, days: u16) -> Timestamp {
        if self.is_time_known {
            self.now - SignedDuration::from_hours(24 * i64::from(days))
        } else {
            Timestamp::MIN
        }
    }
}
