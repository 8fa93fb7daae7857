//! The staleness ladder: age is told, then takes new allowances away, but never protection.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How old what is in force is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staleness {
    /// A recent head says that it is current.
    Fresh,
    /// No recent head does. Reported, nothing else.
    Stale,
    /// None has for long, or the policy has expired, or is below the floor of the device settings: what it allowed on
    /// this machine stays allowed unless denied or revoked, anything else is denied. A fresh head ends it.
    Expired,
}

impl Staleness {
    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// What the ladder is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// Issue of the newest head whose documents are all in force; `None` if there never was one.
    pub current_as_of: Option<Timestamp>,
    /// Issue of the policy in force.
    pub issued: Timestamp,
    /// End of the policy in force.
    pub expires: Timestamp,
    /// The knobs of the policy in force.
    pub knobs: crate::document::Staleness,
}

impl Age {
    /// The times at which it comes to the next rungs, in no order; a time of long ago where one is far behind.
    pub fn rungs(&self) -> [Timestamp; 3] {
        let since = self.current_as_of.unwrap_or(self.issued);
        let after =
            |hours: i64| since.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX);
        let stale = after(i64::from(self.knobs.stale_after_hours));
        [stale, after(24 * i64::from(self.knobs.expired_after_days)), self.expires]
    }

    /// The rung at a time.
    pub fn at(&self, now: Timestamp) -> Staleness {
        // a policy that no head ever confirmed in full is as old as itself, and never fresh
        let age = now.duration_since(self.current_as_of.unwrap_or(self.issued));
        let expired_after = SignedDuration::from_hours(24 * i64::from(self.knobs.expired_after_days));
        let stale_after = SignedDuration::from_hours(i64::from(self.knobs.stale_after_hours));
        if now >= self.expires || age >= expired_after {
            Staleness::Expired
        } else if age >= stale_after || self.current_as_of.is_none() {
            Staleness::Stale
        } else {
            Staleness::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[test]
    fn it_comes_to_another_rung_at_the_times_that_are_told_and_at_no_other() {
        for (current_as_of, expires) in
            [(Some(5), 24 * 180), (Some(5), 24 * 7), (Some(5), 20), (None, 24 * 180)]
        {
            let age = Age { expires: at(expires), ..age(current_as_of) };
            let hours = (6..24 * 200).map(at);
            let hour = SignedDuration::from_hours(1);
            let comes: Vec<Timestamp> = hours.filter(|now| age.at(*now) != age.at(*now - hour)).collect();
            assert!(!comes.is_empty() && comes.iter().all(|now| age.rungs().contains(now)), "{comes:?}");
        }
    }

    fn age(current_as_of: Option<i64>) -> Age {
        Age {
            current_as_of: current_as_of.map(at),
            issued: at(0),
            expires: at(24 * 180),
            knobs: crate::document::Staleness::default(),
        }
    }

    #[test]
    fn every_rung_is_called_by_its_name() {
        for (rung, name) in
            [(Staleness::Fresh, "fresh"), (Staleness::Stale, "stale"), (Staleness::Expired, "expired")]
        {
            assert_eq!((rung.as_str(), serde_json::json!(rung)), (name, serde_json::json!(name)));
        }
    }

    #[test]
    fn the_rungs_are_72_hours_and_30_days_after_the_head_was_signed() {
        let rungs = [(0, Staleness::Fresh), (71, Staleness::Fresh), (72, Staleness::Stale)];
        let later = [(719, Staleness::Stale), (720, Staleness::Expired)];
        for (hours, rung) in rungs.into_iter().chain(later) {
            assert_eq!(age(Some(100)).at(at(100 + hours)), rung, "{hours}");
        }
    }

    #[test]
    fn a_policy_that_has_ended_is_expired_however_fresh_the_head_is() {
        assert_eq!(age(Some(24 * 180 - 1)).at(at(24 * 180)), Staleness::Expired);
    }

    #[test]
    fn a_policy_that_no_head_confirmed_is_never_fresh() {
        assert_eq!(age(None).at(at(1)), Staleness::Stale);
        assert_eq!(age(None).at(at(720)), Staleness::Expired);
    }
}
