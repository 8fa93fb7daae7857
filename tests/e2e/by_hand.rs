//! `quarantine restore`: by which policy, and why not.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, npx, own, policy, rule};
use crate::users::{ANN, BOB, home, names, put, site};

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

/// The line of an account whose home is called so.
fn account((name, uid): (&str, u32), home: &str) -> String {
    format!("{name}:x:{uid}:{uid}::/home/{home}:/bin/sh\n")
}

/// From Ann and Bob a server was taken each, which the policy allows now. The id of Ann's item.
fn taken_from_ann_and_bob(site: &mut Site) -> String {
    for (user, uid) in [("ann", ANN), ("bob", BOB)] {
        put(site, (user, uid), PLACE, &servers(&json!({"evil": npx("evil@1.0.0")})));
    }
    let pass = site.enforce();
    let of_ann = |file: &&Value| file["path"].as_str().unwrap().contains("/ann/");
    let id =
        pass["files"].as_array().unwrap().iter().find(of_ann).unwrap()["vault"].as_str().unwrap().to_owned();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    id
}

fn accounts(site: &Site, lines: &[String]) {
    fs::write(site.machine.root().join("etc/passwd"), lines.concat()).unwrap();
}

/// `usermod --login anna --home /home/anna --move-home ann`, or without the home.
#[test]
fn an_account_that_was_renamed_gets_its_originals_back_once_somebody_names_them() {
    for new in ["anna", "ann"] {
        let Some(mut site) = site() else { return };
        let id = taken_from_ann_and_bob(&mut site);
        accounts(&site, &[account(("anna", ANN), new), account(("bob", BOB), "bob")]);
        fs::rename(home(&site, "ann"), home(&site, new)).unwrap();
        let file = home(&site, new).join(PLACE);
        // the number may be a new person's: nothing comes by itself
        let pass = site.enforce();
        assert_eq!((names(&file), names(&home(&site, "bob").join(PLACE))), (vec![], vec!["evil".to_owned()]));
        let told = format!("is anna with /home/{new} now, by its number: 1 of its originals");
        assert!(pass["notices"].to_string().contains(&told), "{pass}");
        let (code, restored) = site.restore(&id);
        assert_eq!((code, &restored["entries"]), (Some(0), &json!(["evil"])), "{restored}");
        assert_eq!((names(&file), fs::metadata(&file).unwrap().uid()), (vec!["evil".to_owned()], ANN));
        let log = site.run(&["log", "--user", "anna", "--json"]);
        assert!(String::from_utf8_lossy(&log.stdout).contains("account-renamed"));
        assert_eq!(site.enforce()["notices"], json!([]));
    }
}

#[test]
fn what_was_taken_from_an_account_comes_to_no_other_number_and_to_no_doubtful_home() {
    let Some(mut site) = site() else { return };
    let id = taken_from_ann_and_bob(&mut site);
    let bob = account(("bob", BOB), "bob");
    let refused = |site: &Site, why: &str| {
        let (code, restored) = site.restore(&id);
        assert_eq!((code, &restored["entries"]), (Some(1), &json!([])), "{restored}");
        assert!(restored["detail"].as_str().unwrap().contains(why), "{restored}");
        for file in ["ann", "anna"].map(|user| home(site, user).join(PLACE)) {
            assert!(!file.exists() || names(&file).is_empty(), "{restored}");
        }
    };
    let anna = home(&site, "anna");
    fs::create_dir_all(anna.join(".cursor")).unwrap();
    fs::copy(home(&site, "ann").join(PLACE), anna.join(PLACE)).unwrap();
    // another number has the old home, and then none is left
    accounts(&site, &[account(("ann", ANN + 7), "ann"), bob.clone()]);
    own(ANN + 7, &home(&site, "ann"));
    refused(&site, "an earlier account of this name");
    fs::remove_dir_all(home(&site, "ann")).unwrap();
    own(ANN + 7, &anna);
    accounts(&site, &[account(("anna", ANN + 7), "anna"), bob.clone()]);
    refused(&site, "no account here, or more than one, has the number");
    // two names for one number
    own(ANN, &anna);
    accounts(&site, &[account(("anna", ANN), "anna"), account(("root2", ANN), "ann"), bob]);
    fs::create_dir(home(&site, "ann")).unwrap();
    own(ANN, &home(&site, "ann"));
    refused(&site, "an earlier account of this name");
}

/// `usermod --login anna --home /home/anna ann` of an account whose home is on a disk of its own.
#[test]
fn a_home_that_stayed_behind_is_moved_before_anything_comes_back() {
    let Some(mut site) = site() else { return };
    let root = site.machine.root();
    fs::create_dir(root.join("data")).unwrap();
    fs::rename(root.join("home/ann"), root.join("data/ann")).unwrap();
    let file = root.join("data/ann").join(PLACE);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, servers(&json!({"evil": npx("evil@1.0.0")}))).unwrap();
    own(ANN, &root.join("data/ann"));
    accounts(&site, &[account(("ann", ANN), "ann").replace("/home", "/data")]);
    let id = site.enforce()["files"][0]["vault"].as_str().unwrap().to_owned();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    accounts(&site, &[account(("anna", ANN), "anna")]);
    fs::create_dir(root.join("home/anna")).unwrap();
    own(ANN, &root.join("home/anna"));
    let (code, restored) = site.restore(&id);
    let why = "its home /data/ann is there still: move what is in it to /home/anna first";
    assert_eq!((code, &restored["detail"]), (Some(1), &json!(why)));
    fs::remove_dir(root.join("home/anna")).unwrap();
    fs::rename(root.join("data/ann"), root.join("home/anna")).unwrap();
    assert_eq!(site.restore(&id).0, Some(0));
    assert_eq!(names(&root.join("home/anna").join(PLACE)), ["evil"]);
}

/// A switch, a server in the state of Claude Code and its approval name the project by its path.
#[test]
fn what_was_done_in_other_files_of_a_renamed_account_is_undone_too() {
    let Some(mut site) = site() else { return };
    put(&site, ("ann", ANN), "w/.git/HEAD", "ref: refs/heads/main\n");
    let text = servers(&json!({"evil": npx("evil@1.0.0")}));
    put(&site, ("ann", ANN), "w/.mcp.json", &text);
    let state =
        json!({"projects": {"/home/ann/w": {"mcpServers": {"worse": npx("evil@1.0.0")}}}}).to_string();
    let file = put(&site, ("ann", ANN), ".claude.json", &state);
    let settings = home(&site, "ann").join(".claude/settings.json");
    site.enforce();
    assert_ne!(fs::read_to_string(&file).unwrap(), state);
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    accounts(&site, &[account(("anna", ANN), "anna")]);
    fs::rename(home(&site, "ann"), home(&site, "anna")).unwrap();
    let listed = site.run(&["quarantine", "list", "--json"]);
    let listed = report_of(&listed);
    let mut ids: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.reverse();
    for id in &ids {
        let (code, restored) = site.restore(id);
        assert_eq!(code, Some(0), "{restored}");
    }
    let pass = site.enforce();
    assert_eq!(pass["notices"], json!([]), "{pass}");
    assert_eq!(fs::read_to_string(home(&site, "anna").join("w/.mcp.json")).unwrap(), text);
    let now = fs::read_to_string(home(&site, "anna").join(".claude.json")).unwrap();
    assert!(now.contains("evil@1.0.0") && !settings.exists(), "{now}");
    let left = fs::read_to_string(home(&site, "anna").join(".claude/settings.json")).unwrap_or_default();
    assert!(!left.contains("evil"), "{left}");
}
