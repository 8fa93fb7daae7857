//! `quarantine restore`: by which policy, and why not.

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, policy, rule};

const PLACE: &str = ".cursor/mcp.json";

fn servers(servers: &Value) -> String {
    json!({"mcpServers": servers}).to_string()
}

impl Site {
    /// Restores an item by the flags of a pass alone.
    pub(crate) fn restore(&self, id: &str) -> (Option<i32>, Value) {
        let (published, now) = (self.folder("published"), self.now());
        let root = published.join("root.1.json");
        let flags = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap()];
        let command = [&["quarantine", "restore", id, "--json", "--now", &now], &flags[..]].concat();
        let output = self.run(&command);
        assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), report_of(&output))
    }

    /// A denied server is taken out of a file. The id of the item.
    fn with_evil_taken_out(&mut self) -> String {
        self.publish(&policy(&json!({}), &json!([rule("@acme/good")])));
        self.machine.file(PLACE, servers(&json!({"evil": npx("evil@1.0.0")})));
        self.enforce()["files"][0]["vault"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_restore_takes_the_flags_of_a_pass_and_a_newer_policy_that_would_act() {
    let mut site = Site::new();
    let id = site.with_evil_taken_out();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    let (code, restored) = site.restore(&id);
    assert_eq!((code, &restored["outcome"]), (Some(0), &json!("applied")), "{restored}");
    assert!(site.read(PLACE).contains("evil@1.0.0"));
    // and a pass says the same, by the same policy
    let pass = site.enforce();
    assert_eq!((&pass["policy"]["sequence"], &pass["files"]), (&json!(2), &json!([])), "{pass}");
}

#[test]
fn a_restore_goes_by_the_policy_before_where_the_newer_one_would_be_held() {
    let mut site = Site::new();
    let packages: Vec<String> = (0..8).map(|at| format!("p{at}")).collect();
    let rules: Vec<Value> = packages.iter().map(|package| rule(package)).collect();
    site.publish(&policy(&json!({}), &json!(rules)));
    let mut all: serde_json::Map<_, _> =
        packages.iter().map(|package| (package.clone(), npx(&format!("{package}@1.0.0")))).collect();
    all.insert("evil".to_owned(), npx("evil@1.0.0"));
    site.machine.file(PLACE, servers(&Value::Object(all)));
    let id = site.enforce()["files"][0]["vault"].as_str().unwrap().to_owned();
    site.publish(&policy(&json!({}), &json!([rule("evil")])));
    let (code, restored) = site.restore(&id);
    assert_eq!(code, Some(1), "{restored}");
    assert!(restored["detail"].as_str().unwrap().contains("does not allow it"), "{restored}");
    assert!(restored["notices"].to_string().contains("policy 2 is held, 1 goes on acting"), "{restored}");
    assert!(!site.read(PLACE).contains("evil"));
}

#[test]
fn what_policy_forbids_and_what_has_another_in_its_place_are_two_answers() {
    let mut site = Site::new();
    let id = site.with_evil_taken_out();
    let (code, denied) = site.restore(&id);
    assert_eq!(code, Some(1), "{denied}");
    assert_eq!(denied["detail"], "the policy in force does not allow it", "{denied}");

    site.machine.file(PLACE, servers(&json!({"evil": npx("@acme/good@1.0.0")})));
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    let (code, taken) = site.restore(&id);
    assert_eq!(code, Some(1), "{taken}");
    let detail = taken["detail"].as_str().unwrap();
    assert!(detail.contains("its name is taken") && !detail.contains("policy"), "{detail}");

    site.machine.file(PLACE, "{\"mcpServers\": []}");
    let (_, no_place) = site.restore(&id);
    assert!(no_place["detail"].as_str().unwrap().contains("has no place for it"), "{no_place}");
}
