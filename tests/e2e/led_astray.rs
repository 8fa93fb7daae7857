//! What a user's files and folders say leads elsewhere: nothing is hidden by it, and no other home is held up. Needs
//! root; without it the tests say so and pass.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use mcpolicy_tests::report_of;
use serde_json::{Value, json};

use crate::enforce::{Site, actions, policy, rule};
use crate::users::{ANN, BOB, home, names, put, servers, site};

fn quarantined(site: &Site) -> (Value, Vec<(String, String)>) {
    let pass = site.enforce();
    let acted = actions(&pass);
    (pass, acted)
}

fn of(action: &str, server: &str) -> (String, String) {
    (action.to_owned(), server.to_owned())
}

#[test]
fn a_remembered_project_that_leads_up_and_down_hides_no_home() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    fs::create_dir_all(root.join("srv/p")).unwrap();
    fs::write(root.join("srv/p/.mcp.json"), servers(&["good"])).unwrap();
    put(&site, ("bob", 2002), "p/.mcp.json", &servers(&["good"]));
    let projects = json!({"projects": {
        "/home/ann/../ann": {}, "/srv/../srv/p": {}, "~/../bob/p": {}, "/home/ann/../bob/p": {}, "/../../srv/p": {},
    }});
    put(&site, ("ann", ANN), ".claude.json", &projects.to_string());
    put(&site, ("ann", ANN), ".mcp.json", &servers(&["good"]));
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let (pass, acted) = quarantined(&site);
    assert_eq!(acted, [of("quarantine", "bad")], "{pass}");
    assert_eq!(names(&file), ["good"]);
}

#[test]
fn a_home_in_anothers_home_is_its_owners_and_the_outer_one_is_done_too() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    let users = "ann:x:2001:2001::/home/ann:/bin/sh\ndeploy:x:2002:2002::/home/ann/deploy:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).unwrap();
    let outer = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    let project = put(&site, ("ann", ANN), "p/.cursor/mcp.json", &servers(&["good", "bad"]));
    let inner = put(&site, ("ann", ANN), "deploy/.cursor/mcp.json", &servers(&["good", "bad"]));
    for path in ["deploy", "deploy/.cursor", "deploy/.cursor/mcp.json"] {
        std::os::unix::fs::chown(home(&site, "ann").join(path), Some(2002), Some(2002)).unwrap();
    }
    let (pass, acted) = quarantined(&site);
    assert_eq!(acted.len(), 3, "{pass}");
    for file in [&outer, &project, &inner] {
        assert_eq!(names(file), ["good"]);
    }
}

#[test]
fn a_dot_git_that_git_does_not_take_keeps_no_denied_server() {
    let Some(site) = site() else { return };
    let ann = home(&site, "ann");
    let mut files = Vec::new();
    for what in ["link", "empty-folder", "text", "forged-worktree", "of-another-repository"] {
        let folder = format!("src/{what}");
        files.push(put(&site, ("ann", ANN), &format!("{folder}/.mcp.json"), &servers(&["good", "bad"])));
        let dot_git = ann.join(&folder).join(".git");
        match what {
            "link" => symlink("/nonexistent", &dot_git).unwrap(),
            "empty-folder" => fs::create_dir(&dot_git).unwrap(),
            "text" => fs::write(&dot_git, "gitdir: /home/ann/elsewhere\n").unwrap(),
            "of-another-repository" => {
                // leads back as it should, but Git and clients take the main work tree from `commondir`
                let head = "one/.git/worktrees/w/HEAD";
                let place = put(&site, ("ann", ANN), head, "ref: refs/heads/main\n");
                let back = format!("/home/ann/{folder}/.git\n");
                put(&site, ("ann", ANN), "one/.git/worktrees/w/gitdir", &back);
                put(&site, ("ann", ANN), "one/.git/worktrees/w/commondir", "../../../../other/.git\n");
                put(&site, ("ann", ANN), "other/.git/HEAD", "ref: refs/heads/main\n");
                assert!(place.exists());
                fs::write(&dot_git, "gitdir: /home/ann/one/.git/worktrees/w\n").unwrap();
            }
            _ => {
                // a real repository, but the tree is none of its linked ones
                let place = put(&site, ("ann", ANN), "real/.git/worktrees/w/HEAD", "ref: refs/heads/main\n");
                fs::write(place.with_file_name("gitdir"), "/home/ann/real-one/.git\n").unwrap();
                fs::write(&dot_git, "gitdir: /home/ann/real/.git/worktrees/w\n").unwrap();
            }
        }
    }
    put(&site, ("ann", ANN), ".claude.json", "{}");
    let (pass, acted) = quarantined(&site);
    assert_eq!(acted, vec![of("quarantine", "bad"); 5], "{pass}");
    for file in &files {
        assert_eq!(names(file), ["good"]);
    }
}

#[test]
fn a_byte_that_is_no_utf8_hides_no_server_and_stays_where_it_is() {
    let Some(site) = site() else { return };
    let text = |servers: &str| {
        let mut bytes = b"{\"note\":\"a\xffb\",\"mcpServers\":".to_vec();
        bytes.extend_from_slice(servers.as_bytes());
        bytes.extend_from_slice(b",\"s\":\"\xe2\x82\"}");
        bytes
    };
    let bad = r#"{"bad":{"command":"npx","args":["bad@1.0.0"],"env":{"A":"x"}}}"#;
    let mut files = Vec::new();
    for path in [".claude.json", ".cursor/mcp.json", "p/.mcp.json"] {
        let file = put(&site, ("ann", ANN), path, "");
        fs::write(&file, text(bad)).unwrap();
        files.push(file);
    }
    let (pass, acted) = quarantined(&site);
    assert_eq!(acted, vec![of("quarantine", "bad"); 3], "{pass}");
    for file in &files {
        assert_eq!(fs::read(file).unwrap(), text("{}"), "every other byte is as it was");
    }
}

#[test]
fn the_state_of_an_image_stays_in_the_image() {
    let Some(site) = site() else { return };
    let root = site.machine.root();
    let outside = site.folder("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(root.join("var")).unwrap();
    symlink(&outside, root.join("var/lib")).unwrap();
    let run = |more: &[&str]| {
        let published = site.folder("published");
        let (policy, trust) = (published.to_str().unwrap(), published.join("root.1.json"));
        let now = site.now();
        let first =
            ["enforce", "--once", "--policy", policy, "--trust-root", trust.to_str().unwrap(), "--now", &now];
        let place = ["--root", root.to_str().unwrap()];
        site.machine.run(&[&first[..], &place, more].concat())
    };
    let said = run(&[]);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains("/var/lib of the image"), "{said:?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing is made outside");
    fs::remove_file(root.join("var/lib")).unwrap();
    symlink("/srv/lib", root.join("var/lib")).unwrap();
    fs::create_dir_all(root.join("srv/lib")).unwrap();
    assert_eq!(run(&[]).status.code(), Some(0));
    assert!(root.join("srv/lib/mcpolicy/vault").is_dir(), "a link is followed inside of the image");
    // its settings are about the image, too
    fs::create_dir_all(root.join("etc/mcpolicy")).unwrap();
    let settings =
        format!("schema = \"mcpolicy/agent/v1\"\n[state]\ndir = {:?}\n", outside.to_str().unwrap());
    fs::write(root.join("etc/mcpolicy/agent.toml"), settings).unwrap();
    assert_eq!(run(&[]).status.code(), Some(0));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(root.join(outside.strip_prefix("/").unwrap()).join("vault").is_dir());
}

#[test]
fn a_root_that_is_not_there_is_not_made() {
    let Some(site) = site() else { return };
    let typo = site.folder("typo");
    let run = |command: &[&str]| {
        let said = site.machine.run(&[command, &["--root", typo.to_str().unwrap()]].concat());
        assert_eq!(said.status.code(), Some(2), "{command:?}");
        assert!(String::from_utf8_lossy(&said.stderr).contains("there is no such directory"), "{said:?}");
    };
    for command in [&["enforce", "--once"][..], &["log"], &["quarantine", "list"]] {
        run(command);
    }
    assert!(!Path::new(&typo).exists());
}

#[test]
fn a_home_that_was_not_there_at_the_first_pass_has_its_first_look_when_it_is() {
    let Some(mut site) = site() else { return };
    let hold = json!({"mode": "hold", "grace_until": "2027-06-01"});
    site.publish(&policy(&hold, &json!([rule("@acme/good")])));
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "old"]));
    let bob = put(&site, ("bob", 2002), ".cursor/mcp.json", &servers(&["old"]));
    let away = site.machine.root().join("away");
    fs::rename(home(&site, "ann"), &away).unwrap();
    assert_eq!(actions(&site.enforce()), []);
    fs::rename(&away, home(&site, "ann")).unwrap();
    assert_eq!(actions(&site.enforce()), [], "it was there before");
    put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "old", "new"]));
    put(&site, ("bob", 2002), ".cursor/mcp.json", &servers(&["old", "new"]));
    let pass = site.enforce();
    assert_eq!(actions(&pass), vec![of("quarantine", "new"); 2], "{pass}");
    assert_eq!(
        (names(&file), names(&bob)),
        (vec!["good".to_owned(), "old".to_owned()], vec!["old".to_owned()])
    );
}

#[test]
fn what_could_not_come_back_comes_when_its_file_does() {
    let Some(mut site) = site() else { return };
    let file = put(&site, ("ann", ANN), ".cursor/mcp.json", &servers(&["good", "bad"]));
    site.enforce();
    fs::remove_file(&file).unwrap();
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    for _ in 0..2 {
        assert_eq!(site.enforce()["restored"], json!([]));
    }
    put(&site, ("ann", ANN), ".cursor/mcp.json", r#"{"mcpServers":{}}"#);
    let pass = site.enforce();
    assert_eq!(names(&file), ["bad"], "{pass}");
}

#[test]
fn absolute_links_of_an_image_are_followed_inside_of_it_and_never_to_this_hosts_files() {
    let Some(mut site) = site() else { return };
    let root = site.machine.root();
    // a home that is a link, and a file that is one
    let data = root.join("data");
    fs::create_dir_all(&data).unwrap();
    let now_in = |file: std::path::PathBuf| data.join(file.strip_prefix(root.join("home")).unwrap());
    let bobs = now_in(put(&site, ("bob", BOB), ".cursor/mcp.json", &servers(&["good", "bad"])));
    let in_project = now_in(put(&site, ("bob", BOB), "src/p/.cursor/mcp.json", &servers(&["good", "bad"])));
    fs::rename(root.join("home/bob"), data.join("bob")).unwrap();
    symlink("/data/bob", root.join("home/bob")).unwrap();
    let real = put(&site, ("ann", ANN), "dot/m.json", &servers(&["good", "bad"]));
    put(&site, ("ann", ANN), ".cursor/x", "");
    symlink("/home/ann/dot/m.json", root.join("home/ann/.cursor/mcp.json")).unwrap();
    // by its name on this host it is none of the image
    let outside = data.join("out.json");
    fs::write(&outside, servers(&["bad"])).unwrap();
    put(&site, ("ann", ANN), ".codeium/windsurf/x", "");
    symlink(&outside, root.join("home/ann/.codeium/windsurf/mcp_config.json")).unwrap();
    let before = servers(&["good", "bad"]);
    let (pass, acted) = quarantined(&site);
    assert_eq!(acted, vec![of("quarantine", "bad"); 3], "{pass}");
    for file in [&bobs, &in_project, &real] {
        assert_eq!(names(file), ["good"], "{pass}");
    }
    assert_eq!(names(&outside), ["bad"]);
    assert!(fs::symlink_metadata(root.join("home/ann/.cursor/mcp.json")).unwrap().is_symlink());
    site.publish(&policy(&json!({}), &json!([rule("@acme/good"), rule("bad")])));
    let pass = site.enforce();
    for file in [&bobs, &in_project, &real] {
        assert_eq!(fs::read_to_string(file).unwrap(), before, "{pass}");
    }
}

/// `~/doc -> /usr/share/doc` in an image without that folder.
#[test]
fn where_a_link_of_an_image_leads_the_image_says_and_not_this_host() {
    let Some(site) = site() else { return };
    let of_host = tempfile::tempdir().unwrap();
    fs::set_permissions(of_host.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(of_host.path().join(".claude/skills")).unwrap();
    fs::write(of_host.path().join("pyvenv.cfg"), "").unwrap();
    let file = put(&site, ("ann", ANN), "env/.cursor/mcp.json", &servers(&["good", "bad"]));
    symlink(of_host.path(), home(&site, "ann").join("doc")).unwrap();
    symlink(of_host.path().join("pyvenv.cfg"), home(&site, "ann").join("env/pyvenv.cfg")).unwrap();
    let (pass, acted) = quarantined(&site);
    assert_eq!((&pass["notices"], acted), (&json!([]), vec![of("quarantine", "bad")]), "{pass}");
    assert_eq!(names(&file), ["good"]);
    // and one that the image alone has is looked into
    let project = site.machine.root().join("srv/only-of-the-image");
    assert!(!Path::new("/srv/only-of-the-image").exists());
    fs::create_dir_all(&project).unwrap();
    fs::write(project.join(".mcp.json"), servers(&["bad"])).unwrap();
    symlink("/srv/only-of-the-image", home(&site, "ann").join("project")).unwrap();
    let pass = report_of(&site.enforce_with(&[]));
    assert!(pass["notices"].to_string().contains("/home/ann/project (a link"), "{pass}");
    assert_eq!(pass["entries"], 2, "{pass}");
}
