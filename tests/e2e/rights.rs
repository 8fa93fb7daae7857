//! Group and mode of files that a pass edits, takes away and makes anew. Needs root for users and groups; without it the
//! tests say so and pass.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use serde_json::{Value, json};

use crate::enforce::{policy, rule};
use crate::users::{ANN, BOB, put, servers, site};

/// A number that no machine which runs these tests has a group of.
const TEAM: u32 = 47_100;

fn of_team(file: &Path, mode: u32) {
    chown(file, None, Some(TEAM)).unwrap();
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// Owner, group and mode.
fn rights(file: &Path) -> (u32, u32, u32) {
    let now = fs::metadata(file).unwrap();
    (now.uid(), now.gid(), now.mode() & 0o7777)
}

#[test]
fn an_edited_file_of_an_image_keeps_a_group_of_its_user_and_the_loss_of_another_is_told() {
    let Some(mut site) = site() else { return };
    let root = site.machine.root();
    // root's own group, which every host has: that the image puts bob into it means nothing
    fs::write(root.join("etc/group"), format!("root:x:0:bob\nteam:x:{TEAM}:ann\n")).unwrap();
    let [anns, bobs, roots] =
        [("ann", ANN, "a"), ("bob", BOB, "a"), ("bob", BOB, "b")].map(|(user, uid, folder)| {
            put(&site, (user, uid), &format!("{folder}/.cursor/mcp.json"), &servers(&["bad"]))
        });
    of_team(&anns, 0o664);
    of_team(&bobs, 0o664);
    chown(&roots, None, Some(0)).unwrap();
    fs::set_permissions(&roots, Permissions::from_mode(0o604)).unwrap();
    let pass = site.enforce();
    assert_eq!(rights(&anns), (ANN, TEAM, 0o664), "{pass}");
    assert_eq!(rights(&bobs), (BOB, BOB, 0o644), "who had the less has it still");
    assert_eq!(rights(&roots), (BOB, BOB, 0o600), "what a group was kept from nobody gets");
    let told: Vec<String> = pass["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["detail"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told[0], "", "{pass}");
    let said = "its group could not be kept, since its user was not in that group for this pass";
    assert!(told[1].contains(said) && told[1].contains("group 47100, mode 0664"), "{pass}");
    assert!(told[2].contains(said) && told[2].contains("group 0, mode 0604"), "{pass}");
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let pass = site.enforce();
    assert_eq!(fs::read_to_string(&anns).unwrap(), servers(&["bad"]), "{pass}");
    assert_eq!((rights(&anns), rights(&bobs)), ((ANN, TEAM, 0o664), (BOB, BOB, 0o644)));
    assert!(!pass.to_string().contains(said), "nothing was lost this time: {pass}");
}

/// Damaged in a way that its client reads past, so that it goes as a whole.
const DAMAGED: &str =
    r#"{"mcpServers": {"evil": {"command": "npx", "args": ["-y", "evil@1.0.0"] "env": {}}}}"#;

#[test]
fn a_file_that_is_made_anew_has_the_rights_that_it_had_and_never_its_owners_for_who_runs_it() {
    let Some(mut site) = site() else { return };
    let root = site.machine.root();
    fs::write(root.join("etc/group"), format!("team:x:{TEAM}:ann\n")).unwrap();
    let put = |(user, uid), folder: &str, text: &str| {
        put(&site, (user, uid), &format!("{folder}/.cursor/mcp.json"), text)
    };
    let (ann, bob) = (("ann", ANN), ("bob", BOB));
    let [whole, odd, old] = ["a", "b", "c"].map(|folder| put(ann, folder, DAMAGED));
    let edited = put(ann, "d", &servers(&["good", "evil"]));
    let foreign = put(bob, "a", DAMAGED);
    for (file, mode) in [(&whole, 0o664), (&odd, 0o6755), (&old, 0o664), (&edited, 0o640), (&foreign, 0o664)]
    {
        of_team(file, mode);
    }
    let pass = site.enforce();
    let gone = [&whole, &odd, &old, &foreign];
    assert!(gone.iter().all(|file| !file.exists()), "{pass}");
    let id_of = |folder: &str| {
        let path = format!("/home/ann/{folder}/.cursor/mcp.json");
        let files = pass["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == *path).unwrap()["vault"].as_str().unwrap().to_owned()
    };
    // an item of an older version
    let item = site.folder("state/vault/items").join(format!("{}.json", id_of("c")));
    let mut text: Value = serde_json::from_str(&fs::read_to_string(&item).unwrap()).unwrap();
    assert_eq!(text.as_object_mut().unwrap().remove("rights"), Some(json!({"mode": 0o664, "group": TEAM})));
    fs::write(&item, text.to_string()).unwrap();
    fs::remove_file(&edited).unwrap();
    let by_hand = id_of("d");
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("evil")])));
    let pass = site.enforce();
    assert!(gone.iter().all(|file| fs::read_to_string(file).unwrap() == DAMAGED), "{pass}");
    assert_eq!(rights(&whole), (ANN, TEAM, 0o664));
    assert_eq!(rights(&odd), (ANN, TEAM, 0o755));
    assert_eq!(rights(&old), (ANN, ANN, 0o600));
    assert_eq!(rights(&foreign), (BOB, BOB, 0o644), "not in the team: who had the less has it still");
    assert!(pass["restored"].to_string().contains("group 47100, mode 0664"), "{pass}");
    let (published, root) = (site.folder("published"), site.folder("published/root.1.json"));
    let by = ["--policy", published.to_str().unwrap(), "--trust-root", root.to_str().unwrap()];
    let restored = site.run(&[&["quarantine", "restore", &by_hand][..], &by].concat());
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(rights(&edited), (ANN, TEAM, 0o640));
}
