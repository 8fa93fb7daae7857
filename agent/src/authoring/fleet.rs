//! Many reports as one fleet: which machine a report is of, and which of several reports of one machine counts.

use std::collections::BTreeMap;

use super::reports::Report;

/// Which reports tell of the same: of these only the newest counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Device id, else host name, else the place of the report.
    pub machine: String,
    mode: String,
    users: Vec<String>,
}

impl Origin {
    /// Where a report comes from.
    pub fn of(place: &str, report: &Report) -> Self {
        let named = report.host.device_id.clone().or_else(|| report.host.hostname.clone());
        let mut users = report.scan.users.clone();
        users.sort();
        match named.filter(|name| !name.is_empty()) {
            Some(machine) => Self { machine, mode: report.scan.mode.clone(), users },
            None => Self { machine: place.to_owned(), mode: String::new(), users: Vec::new() },
        }
    }
}

/// What was made of one report, and where it belongs.
#[derive(Debug)]
pub struct Dated<T> {
    /// Where it comes from.
    pub origin: Origin,
    /// Start of the scan, RFC 3339.
    pub started_at: String,
    /// What was made of it.
    pub item: T,
}

impl<T> Dated<T> {
    /// Marks what was made of a report with its origin and date.
    pub fn new(place: &str, report: &Report, item: T) -> Self {
        Self { origin: Origin::of(place, report), started_at: report.scan.started_at.clone(), item }
    }
}

/// The newest of each origin, in order of the machines. Of equally old ones the last given counts.
pub fn newest<T>(all: Vec<Dated<T>>) -> Vec<(Origin, T)> {
    let mut kept: BTreeMap<Origin, (String, T)> = BTreeMap::new();
    for dated in all {
        let older = kept.get(&dated.origin).is_some_and(|(started_at, _)| *started_at > dated.started_at);
        if !older {
            kept.insert(dated.origin, (dated.started_at, dated.item));
        }
    }
    kept.into_iter().map(|(origin, (_, item))| (origin, item)).collect()
}

/// What is said of reports that were taken for older ones.
pub fn superseded(count: u64) -> String {
    let (reports, are) =
        if count == 1 { ("report", "counts as an older one") } else { ("reports", "count as older ones") };
    format!(
        "{count} {reports} {are} of a machine with the same device id or host name and the same users; scan with \
         --device-id where they are of different machines"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(machine: &str, started_at: &str, item: u8) -> Dated<u8> {
        let origin = Origin { machine: machine.to_owned(), mode: "machine".to_owned(), users: Vec::new() };
        Dated { origin, started_at: started_at.to_owned(), item }
    }

    #[test]
    fn of_several_reports_of_one_machine_the_newest_counts() {
        let all = vec![
            dated("b", "2026-01-02T00:00:00Z", 1),
            dated("a", "2026-01-01T00:00:00Z", 2),
            dated("b", "2026-01-01T00:00:00Z", 3),
            dated("a", "2026-01-03T00:00:00Z", 4),
        ];
        let kept: Vec<(String, u8)> = newest(all).into_iter().map(|(o, item)| (o.machine, item)).collect();
        assert_eq!(kept, [("a".to_owned(), 4), ("b".to_owned(), 1)]);
    }
}
