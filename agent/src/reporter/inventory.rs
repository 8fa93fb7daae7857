//! Everything that is known of the machine's servers, as records of a report.

use mcpolicy_schema::report::v1::{self, Body};
use sha2::{Digest as _, Sha256};

use crate::board::{Board, Found};
use crate::report;

/// An inventory that waits for its place in the spool.
pub(super) struct Inventory {
    /// What it says, in short: a client that writes its state every few seconds changes nothing of it.
    pub(super) digest: [u8; 32],
    policy: Option<v1::PolicyInForce>,
    entries: Vec<v1::Entry>,
    findings: Vec<v1::Finding>,
    coverage: Vec<v1::Gap>,
}

impl Inventory {
    /// Of what the board has now.
    pub(super) fn of(board: &Board) -> Self {
        let (mut entries, mut findings) = (Vec::new(), Vec::new());
        for (number, found) in board.found(None).enumerate() {
            // every look counts its entries anew: of a machine each has a number of its own
            let id = report::entry_id(number);
            findings.extend(found.findings.iter().map(|finding| shortened(finding, Some(id.clone()))));
            entries.push(entry(found, id));
        }
        findings.extend(board.beside.iter().map(|finding| shortened(finding, None)));
        let policy = board.settled.as_ref().map(|settled| settled.in_force.about(settled.ring.as_deref()));
        let coverage = board.coverage.clone();
        let digest = digest(policy.as_ref(), &entries, &findings, &coverage);
        Self { digest, policy, entries, findings, coverage }
    }

    /// Its records: the head, and one for each entry, finding and gap.
    pub(super) fn bodies(self, snapshot: &str, cause: &str) -> Vec<Body> {
        let summary = report::summary_of(&self.entries, &self.findings, &self.coverage);
        let snapshot = || snapshot.to_owned();
        let records = (self.entries.len() + self.findings.len() + self.coverage.len()) as u64;
        let (policy, cause) = (self.policy, cause.to_owned());
        let head = v1::Inventory { snapshot: snapshot(), cause, policy, summary, records };
        let entry = |entry| Body::Entry { snapshot: snapshot(), entry: Box::new(entry) };
        let finding = |finding| Body::Finding { snapshot: snapshot(), finding: Box::new(finding) };
        let gap = |gap| Body::Coverage { snapshot: snapshot(), gap };
        std::iter::once(Body::Inventory(head))
            .chain(self.entries.into_iter().map(entry))
            .chain(self.findings.into_iter().map(finding))
            .chain(self.coverage.into_iter().map(gap))
            .collect()
    }
}

fn entry(found: &Found, id: String) -> v1::Entry {
    let mut entry = v1::Entry { id, ..found.entry.clone() };
    // what was tried is for who asks on the machine, and is half of the bytes
    if let Some(judged) = &mut entry.judged {
        judged.trace.clear();
    }
    entry
}

/// Without the judgement that its entry has. A server that no entry declares keeps it.
fn shortened(finding: &v1::Finding, entry: Option<String>) -> v1::Finding {
    let judged = finding.judged.clone().filter(|_| entry.is_none());
    v1::Finding { entry, judged, ..finding.clone() }
}

/// Equal where another inventory would say nothing new. Where in its file an entry stands is nothing new.
fn digest(
    policy: Option<&v1::PolicyInForce>,
    entries: &[v1::Entry],
    findings: &[v1::Finding],
    coverage: &[v1::Gap],
) -> [u8; 32] {
    let mut digest = Sha256::new();
    // each with its length: no two lists of texts look the same
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    add(&format!("{:?}", policy.map(|policy| (&policy.sha256, policy.revocations, &policy.mode))));
    for entry in entries {
        let verdict = entry.judged.as_ref().map(|judged| (judged.verdict, &judged.rule, &judged.reason));
        let switches = (entry.disabled, entry.inert, entry.running);
        add(&entry.name);
        add(&entry.fingerprint);
        add(&entry.source.path);
        add(&format!("{:?} {verdict:?} {switches:?} {:?}", entry.user, entry.values));
    }
    for finding in findings {
        add(&format!("{} {:?} {:?}", finding.code, finding.user, finding.name));
    }
    for gap in coverage {
        add(&format!("{} {:?} {}", gap.kind, gap.path, gap.count));
    }
    digest.finalize().into()
}
