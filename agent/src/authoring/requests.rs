//! What developers ask to have allowed, gathered from stored reports.
//!
//! A request is a claim of a laptop: its words are shown, but what it is about is read again from the entry in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::verdict::Verdict;
use serde::Serialize;

use super::draft::Variant;
use super::fleet::Origin;
use super::reports::{self, Host, Problem};
use super::stored::Site;
use super::stored::proof::{self, Proof};

/// Requests for one server.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// Fingerprint of the entry.
    pub fingerprint: String,
    /// Kind and name, read from the entry.
    pub identity: String,
    /// How many people ask.
    pub people: usize,
    /// On how many machines.
    pub machines: usize,
    /// What the policy says of the entry now; absent without a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rule that allows it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<String>,
    /// The requests, the oldest first.
    pub requests: Vec<One>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct One {
    /// When.
    pub time: String,
    /// Its id.
    pub id: String,
    /// Who.
    pub user: String,
    /// On which device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// In which client.
    pub client: String,
    /// Under which name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A request with where it was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// What was asked.
    pub request: v1::Request,
    machine: String,
    host: Host,
    homes: Vec<v1::Home>,
}

impl Made {
    /// The entry, ready to be judged. The user is the one whose request it is.
    pub(crate) fn variant(&self, now: Timestamp) -> Variant {
        let site = Site::of(&self.host, &self.homes, now);
        let mut entry = (*self.request.entry).clone();
        entry.user.get_or_insert_with(|| self.request.user.clone());
        Variant::new(&entry, &site, BTreeSet::new())
    }

    /// Kind and name of what its entry would run or contact.
    pub(crate) fn identity(&self) -> String {
        format!("{}:{}", self.request.entry.identity.kind, self.request.entry.identity.name)
    }

    /// What does not fit together in it; a request is only a claim.
    pub fn contradiction(&self) -> Option<&'static str> {
        let request = &self.request;
        if request.fingerprint != request.entry.fingerprint {
            return Some("its fingerprint is not that of its entry");
        }
        if request.identity != request.entry.identity {
            return Some("it names another server than its entry");
        }
        let homes = self.homes.iter().map(|home| (home.user.as_str(), home.path.as_str())).collect();
        let mut entry = (*request.entry).clone();
        entry.user.get_or_insert_with(|| request.user.clone());
        if proof::of(&entry, &homes) == Proof::Other {
            return Some("the fingerprint of its entry is that of another one");
        }
        None
    }
}

/// Reads all requests; the same one in several reports counts once.
///
/// # Errors
/// Not one report could be read: nothing is known then, which is not that nobody asks.
pub fn read(
    inputs: &[PathBuf],
    done: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<(Vec<Made>, Vec<Problem>)> {
    let read = reports::each(inputs, done, |place, report| {
        let machine = Origin::of(place, &report).machine;
        let made = |request: &v1::Request| Made {
            request: request.clone(),
            machine: request.device.clone().unwrap_or_else(|| machine.clone()),
            host: report.host.clone(),
            homes: report.scan.homes.clone(),
        };
        report.requests.iter().map(made).collect::<Vec<_>>()
    });
    anyhow::ensure!(
        !read.items.is_empty(),
        "no report could be read, so nothing can be said{}",
        super::draft::first(&read.problems)
    );
    let mut unique: BTreeMap<(String, String, String, String), Made> = BTreeMap::new();
    for made in read.items.into_iter().flatten() {
        let request = &made.request;
        let key =
            (request.id.clone(), request.fingerprint.clone(), request.user.clone(), made.machine.clone());
        unique.entry(key).or_insert(made);
    }
    Ok((unique.into_values().collect(), read.problems))
}

/// Requests by fingerprint, those that most people make first.
pub fn grouped(made: &[Made], policy: Option<&Policy>, now: Timestamp) -> Vec<Asked> {
    let mut groups: BTreeMap<&str, Vec<&Made>> = BTreeMap::new();
    for made in made {
        // What is asked for is the entry, whatever the request says.
        groups.entry(&made.request.entry.fingerprint).or_default().push(made);
    }
    let mut asked: Vec<Asked> =
        groups.into_iter().map(|(fingerprint, made)| group(fingerprint, &made, policy, now)).collect();
    asked.sort_by_key(|asked| std::cmp::Reverse((asked.people, asked.machines)));
    asked
}

fn group(fingerprint: &str, made: &[&Made], policy: Option<&Policy>, now: Timestamp) -> Asked {
    let judgement = policy.map(|policy| made[0].variant(now).judge(policy, now));
    let users: BTreeSet<&str> = made.iter().map(|made| made.request.user.as_str()).collect();
    let machines: BTreeSet<&str> = made.iter().map(|made| made.machine.as_str()).collect();
    let mut requests: Vec<One> = made.iter().map(|made| one(&made.request)).collect();
    requests.sort();
    Asked {
        fingerprint: fingerprint.to_owned(),
        identity: made[0].identity(),
        people: users.len(),
        machines: machines.len(),
        verdict: judgement.as_ref().map(|judgement| judgement.verdict),
        covered_by: judgement.filter(|judgement| judgement.is_allowed()).and_then(|judgement| judgement.rule),
        requests,
    }
}

fn one(request: &v1::Request) -> One {
    One {
        time: request.time.clone(),
        id: request.id.clone(),
        user: request.user.clone(),
        device: request.device.clone(),
        client: request.client.clone(),
        name: request.name.clone(),
        reason: request.reason.clone(),
    }
}
