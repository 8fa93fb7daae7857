//! What the tests of answers share: a policy in force, and a home that was looked into.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use mcpolicy_clients::location::Os;
use mcpolicy_schema::redact::Redactor;
use mcpolicy_schema::report::v1;

use super::Asker;
use crate::ground::{self, Target};
use crate::in_force::InForce;
use crate::judge::{Judge, Terms};
use crate::pipeline::{self, Bounds, Ground};
use crate::report::{self, Run};

/// A policy of these rules.
pub(crate) fn draft(rules: &str) -> InForce {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    let head = "schema = \"mcpolicy/policy/v1\"\n[policy]\nname = \"fleet\"\ncontact = \"#mcp-help\"\n";
    std::fs::write(&path, format!("{head}{rules}")).unwrap();
    InForce::draft(&path).unwrap()
}

/// A user of no group.
pub(super) fn asker(user: &str) -> Asker {
    Asker { user: user.to_owned(), ..Asker::default() }
}

/// The home `ann` in a folder.
pub(super) fn home(folder: &Path) -> Ground {
    let home = folder.join("ann");
    std::fs::create_dir_all(&home).unwrap();
    let environment = mcpolicy_platform::environment::Environment::from_iter(Vec::<(String, String)>::new());
    ground::lay(&Target::Homes(vec![home]), Some(Os::Linux), &environment).unwrap()
}

/// The same terms in each test.
pub(super) fn terms(in_force: &InForce) -> Terms<'_> {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    Terms { in_force, now, device: "", groups: &[], remembered: None }
}

/// A scan of a home.
pub(super) fn scan(ground: &Ground, in_force: &InForce) -> v1::Report {
    let redactor = Redactor::new(&[1; 32]);
    let bounds = Bounds {
        walk_budget: Duration::from_secs(5),
        threads: 1,
        texts: 0,
        progress: &|_| {},
        reading: &|_, _| {},
        without: &BTreeSet::new(),
    };
    let mut outcome = pipeline::scan(ground, &bounds, &redactor);
    Judge::new(ground, &ground.machine, terms(in_force)).judge(&mut outcome);
    let run = Run {
        started_at: String::new(),
        duration_ms: 0,
        fingerprint_key: "ephemeral",
        device_id: None,
        groups: Vec::new(),
        policy: Some(in_force.about(None)),
    };
    report::build(ground, &outcome, &run, &redactor)
}

/// The report on a home in which servers of these names, all the same, stand in these files.
pub(crate) fn report(in_force: &InForce, servers: &[(&str, &str)]) -> v1::Report {
    let folder = tempfile::tempdir().unwrap();
    let ground = home(folder.path());
    for (name, path) in servers {
        let path = folder.path().join("ann").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let servers = serde_json::json!({"mcpServers": {*name: {"command": "npx", "args": ["-y", "left-pad-mcp@1.0.0"]}}});
        std::fs::write(path, servers.to_string()).unwrap();
    }
    scan(&ground, in_force)
}
