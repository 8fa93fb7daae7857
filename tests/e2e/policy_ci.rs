//! The CI recipes that `policy init` writes, run as CI runs them: the files are parsed and each of their steps is executed,
//! with stubs in the place of the forge's own programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mcpolicy_clients::codec::yaml;
use mcpolicy_clients::node::Node;
use mcpolicy_tests::skip;
use serde_json::{Value, json};

use crate::policy_desk::{Desk, read, text};

const RULE: &str = "\n[[rule]]\nid = \"docs\"\nidentity.npm = { package = \"@example/docs\", versions = \"1.4.2\" }\n\
    owner = \"o\"\nreview_by = \"2030-01-01\"\n";

/// A repository in Git whose `main` has the rule, and a report of one machine that uses what it allows.
struct Change {
    desk: Desk,
    repo: PathBuf,
}

impl Change {
    /// `None`, said aloud, where there is no Git or jq.
    fn new() -> Option<Self> {
        if Command::new("jq").arg("--version").output().is_err() {
            skip("jq is not installed, which reads what a forge answers");
            return None;
        }
        let desk = Desk::new(&[]);
        let repo = desk.path("repo");
        desk.edit("repo/policy.toml", |policy| policy + RULE);
        let servers = json!({"docs": {"command": "npx", "args": ["-y", "@example/docs@1.4.2"]}});
        desk.machine.file(".cursor/mcp.json", json!({ "mcpServers": servers }).to_string());
        desk.machine.file("reports/one.json", desk.machine.scan(&[]).to_string());
        let change = Self { desk, repo };
        let git: [&[&str]; 4] = [
            &["init", "-q"],
            &["add", "-A"],
            &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first"],
            &["update-ref", "refs/remotes/origin/main", "HEAD"],
        ];
        for arguments in git {
            let output = Command::new("git").args(arguments).current_dir(&change.repo).output();
            let Ok(output) = output else {
                skip("git is not installed");
                return None;
            };
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        change.stub("mcpolicy", &format!("exec '{}' \"$@\"", crate::BINARY));
        Some(change)
    }

    /// A program on the search path of the steps.
    fn stub(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.desk.machine.file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shell(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let home = self.desk.machine.home();
        Command::new("bash")
            .args(arguments)
            .current_dir(&self.repo)
            .env_clear()
            .env("HOME", &home)
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", home.join("bin").display()))
            .env("STUBS", &home)
            .env("REPORTS", home.join("reports"))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(&self.repo).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn ci(&self, approvals: &str) -> (Option<i32>, String) {
        let variables = [("APPROVALS", approvals), ("BASE", "origin/main")];
        let output = self.shell(&["ci.sh"], &variables);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    fn edit(&self, change: impl FnOnce(String) -> String) {
        self.desk.edit("repo/policy.toml", change);
    }

    fn stubbed(&self, name: &str) -> String {
        read(&self.desk.path(name))
    }
}

fn loosen(policy: &str) -> String {
    policy.replace("mode = \"enforce\"", "mode = \"warn\"")
}

#[test]
fn ci_rehearses_on_reports_and_asks_for_a_second_approver() {
    let Some(change) = Change::new() else { return };
    let (code, said) = change.ci("0");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("### check: ok") && said.contains("### tests: ok"), "{said}");
    assert!(
        said.contains("<!-- mcpolicy-simulate -->") && said.contains("allowed 1, pinned 0, blocked 0"),
        "{said}"
    );
    change.edit(|policy| loosen(&policy));
    for approvals in ["0", "1", "", "two"] {
        let (code, said) = change.ci(approvals);
        assert_eq!(code, Some(1), "{approvals}: {said}");
        assert!(said.contains("needs the approval of two people"), "{said}");
    }
    let (code, said) = change.ci("2");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("needs the approval of two people") && said.contains("**LOOSENS**"), "{said}");
}

#[test]
fn ci_reads_and_writes_through_no_link_that_a_change_commits() {
    let Some(change) = Change::new() else { return };
    let secret = change.desk.machine.file("token", "deploy-token-0123456789\n");
    for name in ["policy.toml", "tests.toml", "comment.md"] {
        let path = change.repo.join(name);
        let kept = std::fs::read(&path).ok();
        let _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(&secret, &path).unwrap();
        let (code, said) = change.ci("0");
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(!said.contains("0123456789"), "{name}: {said}");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "deploy-token-0123456789\n");
        std::fs::remove_file(&path).unwrap();
        if let Some(kept) = kept {
            std::fs::write(&path, kept).unwrap();
        }
    }
}

#[test]
fn ci_fails_where_machines_would_lose_a_server() {
    let Some(change) = Change::new() else { return };
    change.edit(|policy| policy.replace(RULE, ""));
    let (code, said) = change.ci("2");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("npm:@example/docs") && said.contains("1 of 1 machines"), "{said}");
}

fn scalar<'n>(node: &'n Node<'_>, key: &str) -> &'n str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

/// What GitHub would put in the place of an expression of the template.
fn expanded(value: &str) -> String {
    let expressions = [
        ("${{ github.token }}", "a-token"),
        ("${{ github.event.pull_request.number }}", "7"),
        ("${{ github.event.pull_request.base.ref }}", "main"),
        ("${{ github.event.pull_request.head.sha }}", "c0ffee"),
    ];
    let value = expressions.iter().fold(value.to_owned(), |value, (from, to)| value.replace(from, to));
    assert!(!value.contains("${{"), "the test does not know {value}");
    value
}

/// As many approvals that count, and others that do not: of another commit, taken back, of somebody who may only read,
/// no approval at all. In the form of GitHub's REST interface, oldest first.
fn reviews(approvals: usize) -> Value {
    let review = |user: &str, state: &str, commit: &str| json!({"user": {"login": user}, "state": state, "commit_id": commit});
    let mut all = vec![
        review("early", "APPROVED", "older"),
        review("wavering", "APPROVED", "c0ffee"),
        review("wavering", "CHANGES_REQUESTED", "c0ffee"),
        review("dismissed", "APPROVED", "c0ffee"),
        review("dismissed", "DISMISSED", "c0ffee"),
        review("reader", "APPROVED", "c0ffee"),
        review("chatty", "COMMENTED", "c0ffee"),
    ];
    for at in 0..approvals {
        let user = format!("writer-{at}");
        all.extend([review(&user, "APPROVED", "c0ffee"), review(&user, "COMMENTED", "c0ffee")]);
    }
    all.into()
}

/// Runs every `run:` step in order, as the runner does; the code of the first that fails.
fn github(change: &Change, approvals: &str) -> Option<i32> {
    let workflow = read(&change.repo.join(".github/workflows/policy.yml"));
    let parsed = yaml::parse(&workflow).unwrap();
    let job = parsed.root.pointer("/jobs/policy").unwrap();
    let env: Vec<(String, String)> = job
        .get("env")
        .unwrap()
        .members()
        .iter()
        .map(|member| (member.key.to_string(), expanded(member.value.as_str().unwrap())))
        .collect();
    let mut variables: Vec<(&str, &str)> =
        env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reviews = reviews(approvals.parse().unwrap());
    let reviews = change.desk.machine.file("reviews.json", reviews.to_string());
    variables.push(("STUB_REVIEWS", reviews.to_str().unwrap()));
    variables.push(("GITHUB_REPOSITORY", "example/policies"));
    variables.push(("STUB_NOTE", if approvals == "0" { "" } else { "42" }));
    change.stub(
        "gh",
        "echo \"$*\" >>\"$STUBS/gh.log\"\nfor word; do last=$word; done\ncase \"$*\" in *pulls/7/reviews*) jq -r \"$last\" \"$STUB_REVIEWS\";; \
         *collaborators/reader/permission*) echo read;; *collaborators/*/permission*) echo write;; *--paginate*) echo \"$STUB_NOTE\";; *) cp comment.md \"$STUBS/posted.md\";; esac",
    );
    let mut ran = 0;
    for step in job.get("steps").unwrap().items() {
        if step.get("run").is_none() {
            assert!(
                scalar(step, "uses").starts_with("actions/checkout@"),
                "a step that this test leaves out"
            );
            continue;
        }
        ran += 1;
        let script = change.desk.machine.file("step.sh", expanded(scalar(step, "run")));
        let output = change.shell(&["-e", script.to_str().unwrap()], &variables);
        if !output.status.success() {
            return output.status.code();
        }
    }
    assert!(ran > 0, "no step was run");
    Some(0)
}

#[test]
fn every_step_of_the_github_workflow_runs_and_its_comment_is_posted() {
    let Some(change) = Change::new() else { return };
    assert_eq!(github(&change, "0"), Some(0));
    assert!(change.stubbed("posted.md").starts_with("<!-- mcpolicy -->\n"));
    let log = change.stubbed("gh.log");
    assert!(log.contains("pulls/7/reviews") && log.contains("\npr comment 7 "), "{log}");
    change.edit(|policy| loosen(&policy));
    assert_eq!(github(&change, "1"), Some(1));
    assert!(
        change.stubbed("posted.md").contains("needs the approval of two people"),
        "posted also on failure"
    );
    assert_eq!(github(&change, "2"), Some(0));
    let log = change.stubbed("gh.log");
    assert!(
        log.contains("--method PATCH repos/example/policies/issues/comments/42 "),
        "its own comment: {log}"
    );
}

#[test]
fn the_recipe_is_that_of_the_protected_branch_and_not_that_of_the_change() {
    let Some(change) = Change::new() else { return };
    change
        .desk
        .machine
        .file("repo/ci.sh", "printf '<!-- mcpolicy -->\\nall is well\\n' >comment.md\nexit 0\n");
    change.edit(|policy| loosen(&policy));
    assert_eq!(github(&change, "0"), Some(1));
    assert!(change.stubbed("posted.md").contains("needs the approval of two people"));
    assert_eq!(gitlab(&change, "0"), Some(1));
    assert!(change.stubbed("posted.md").contains("needs the approval of two people"));
}

#[test]
fn where_the_protected_branch_has_no_recipe_yet_that_of_the_change_runs() {
    let Some(change) = Change::new() else { return };
    change.git(&["rm", "-q", "--cached", "ci.sh"]);
    change.git(&["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "no recipe"]);
    change.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    for run in [github, gitlab] {
        assert_eq!(run(&change, "0"), Some(0));
        assert!(change.stubbed("posted.md").contains("### check: ok"));
    }
    change.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(github(&change, "0"), Some(2), "a base that is not there is no base without a recipe");
}

#[test]
fn ci_fails_where_it_cannot_find_what_to_compare_with() {
    let Some(change) = Change::new() else { return };
    change.edit(|policy| policy.replace("mode = \"enforce\"", "mode = \"observe\""));
    change.git(&["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "second"]);
    let run = |base: &str| {
        let output = change.shell(&["ci.sh"], &[("BASE", base), ("APPROVALS", "2")]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    for base in ["origin/nosuch", "nosuch", ""] {
        let (code, said) = run(base);
        let expected = if base.is_empty() { Some(0) } else { Some(2) };
        assert_eq!(code, expected, "{base}: {said}");
        assert!(base.is_empty() || said.contains("There is no commit at"), "{said}");
    }
    // A clone without history has no parent either; that does not make it a first commit.
    let home = change.desk.machine.home();
    let from = format!("file://{}", change.repo.display());
    change.git(&["clone", "-q", "--depth", "1", &from, home.join("shallow").to_str().unwrap()]);
    let shallow = Change { repo: home.join("shallow"), desk: change.desk };
    let output = shallow.shell(&["ci.sh"], &[("BASE", "nosuch"), ("APPROVALS", "0")]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
}

#[test]
fn ci_passes_the_very_first_commit_and_the_first_policy_of_a_branch() {
    let Some(change) = Change::new() else { return };
    change.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    let (code, said) = change.ci("0");
    assert!(code == Some(0) && said.contains("This is the first commit"), "{said}");
    let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let commit = change.git(&[
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "commit-tree",
        empty,
        "-m",
        "nothing yet",
    ]);
    change.git(&["update-ref", "refs/remotes/origin/main", commit.trim()]);
    let (code, said) = change.ci("0");
    assert!(code == Some(0) && said.contains("This is the first policy here"), "{said}");
}

#[test]
fn ci_says_that_a_policy_cannot_be_read_and_does_not_call_it_a_loosening() {
    let Some(change) = Change::new() else { return };
    change.edit(|policy| policy.replace("default = \"deny\"", "default = \"maybe\""));
    let (code, said) = change.ci("0");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("could not be compared") && !said.contains("takes protection away"), "{said}");
    let change = Change::new().unwrap();
    let output = change.shell(&["ci.sh"], &[("BASE", "origin/main"), ("REPORTS", "nowhere")]);
    assert!(
        output.status.code() == Some(2) && text(&output.stdout).contains("not complete"),
        "{}",
        text(&output.stdout)
    );
}

/// Runs the script of the GitLab job in one shell, as its runner does.
fn gitlab(change: &Change, approvals: &str) -> Option<i32> {
    let pipeline = read(&change.repo.join(".gitlab-ci.yml"));
    let parsed = yaml::parse(&pipeline).unwrap();
    let lines: Vec<&str> = parsed
        .root
        .pointer("/policy/script")
        .unwrap()
        .items()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    change.stub("curl", "echo \"$*\" >>\"$STUBS/curl.log\"\ncase \"$*\" in *body@comment.md*) cp comment.md \"$STUBS/posted.md\";; *) echo '{}';; esac");
    change.stub("jq", "cat >/dev/null\ncase \"$*\" in *approved_by*) echo \"$STUB_APPROVALS\";; *) echo \"$STUB_NOTE\";; esac");
    let script = change.desk.machine.file("job.sh", format!("set -eo pipefail\n{}\n", lines.join("\n")));
    let variables = [
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_API_V4_URL", "https://gitlab.example.com/api/v4"),
        ("CI_PROJECT_ID", "1"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("COMMENT_TOKEN", "a-token"),
        ("STUB_APPROVALS", approvals),
        ("STUB_NOTE", if approvals == "0" { "" } else { "42" }),
    ];
    change.shell(&[script.to_str().unwrap()], &variables).status.code()
}

#[test]
fn every_line_of_the_gitlab_job_runs_and_its_comment_takes_the_place_of_the_last() {
    let Some(change) = Change::new() else { return };
    assert_eq!(gitlab(&change, "0"), Some(0));
    assert!(change.stubbed("posted.md").starts_with("<!-- mcpolicy -->\n"));
    assert!(change.stubbed("curl.log").contains("-X POST"));
    change.edit(|policy| loosen(&policy));
    assert_eq!(gitlab(&change, "1"), Some(1));
    assert!(change.stubbed("posted.md").contains("needs the approval of two people"));
    assert!(
        change.stubbed("curl.log").contains("-X PUT") && change.stubbed("curl.log").contains("/notes/42")
    );
    assert_eq!(gitlab(&change, "2"), Some(0));
}

#[test]
fn what_init_writes_for_ci_is_yaml_with_the_jobs_that_run_the_recipe() {
    let desk = Desk::new(&[]);
    for (file, job) in
        [(".github/workflows/policy.yml", "/jobs/policy/steps"), (".gitlab-ci.yml", "/policy/script")]
    {
        let file = read(&desk.path("repo").join(Path::new(file)));
        let parsed = yaml::parse(&file).unwrap();
        assert!(parsed.root.pointer(job).is_some_and(|steps| !steps.items().is_empty()), "{job}");
        assert!(file.contains("ci.sh"));
    }
}
