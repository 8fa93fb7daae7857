//! Both roles as on a managed machine: root enforces without a network, an account without rights ships. In name spaces of
//! their own, where this machine's homes, settings and state are covered.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mcpolicy_tests::signing::{at, publish};
use mcpolicy_tests::workspace;
use serde_json::{Value, json};

use crate::enforce::{npx, policy, rule};

/// Lays the ground inside of new name spaces: nothing of this machine's homes, state and settings is seen, and what is
/// written there goes with the name spaces. Then runs a script.
const GROUND: &str = r#"
set -eu
cp -a /etc "$T/etc"
for user in ann:2001 mcpolicy-ship:3998; do
    sed -i "/^${user%:*}:/d" "$T/etc/passwd" "$T/etc/group"
    printf '%s:x:%s:%s::/home/%s:/bin/sh\n' "${user%:*}" "${user#*:}" "${user#*:}" "${user%:*}" >> "$T/etc/passwd"
    printf '%s:x:%s:\n' "${user%:*}" "${user#*:}" >> "$T/etc/group"
done
rm -rf "$T/etc/mcpolicy" "$T/etc/claude-code" "$T/etc/codex"
mkdir -p "$T/etc/mcpolicy"
mount --bind "$T/etc" /etc
for folder in /root /home /var/lib /run /opt /srv; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /home/ann/.cursor
cp "$T/mcp.json" /home/ann/.cursor/mcp.json
chown -R 2001:2001 /home/ann
cp "$T/published/root.1.json" "$T/agent.toml" /etc/mcpolicy/
ship() { setpriv --reuid 3998 --regid 3998 --clear-groups --no-new-privs "$@"; }
ann() { setpriv --reuid 2001 --regid 2001 --clear-groups --no-new-privs env HOME=/home/ann "$@"; }
until_there() { i=0; until "$@" >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 900 ] || { echo "never: $*"; exit 1; }; sleep 0.1; done; }
"#;

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    /// Nothing where the test is not root or has no name spaces.
    fn new(settings: &str) -> Option<Self> {
        let can = is_root()
            && Command::new("unshare")
                .args(["--mount", "--pid", "--fork", "true"])
                .status()
                .is_ok_and(|s| s.success());
        if !can {
            mcpolicy_tests::skip("needs root and unshare");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let ground = Self { folder };
        let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
        std::fs::write(ground.at("mcp.json"), servers.to_string()).unwrap();
        std::fs::write(ground.at("agent.toml"), settings).unwrap();
        let body = policy(&json!({}), &json!([rule("@acme/good")]));
        publish(&ground.at("published"), 1, at(1), &body, None);
        mcpolicy_tests::private::set_mode(ground.folder.path(), 0o755);
        Some(ground)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script in the ground; the program is `$B`.
    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
            "sh",
            "-c",
        ]);
        let program = self.at("mcpolicy");
        if !program.exists() {
            std::fs::copy(crate::BINARY, &program).unwrap();
        }
        command.arg(format!("{GROUND}\n{script}")).env_clear();
        let caps = capabilities();
        command
            .env("CAPS", caps)
            .env("MASK", of_unit("UMask="))
            .env("T", self.folder.path())
            .env("B", program)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.output().unwrap()
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// What the unit of the role that enforces says of something.
fn of_unit(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a file of the project itself")]
    let unit =
        std::fs::read_to_string(workspace().join("installers/linux/systemd/mcpolicy.service")).unwrap();
    unit.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned()
}

/// What the unit leaves root, as setpriv takes it: what is not there is missing to the test too.
fn capabilities() -> String {
    let line = of_unit("CapabilityBoundingSet=");
    let names = line.split(' ').map(|name| format!(",+{}", name.to_lowercase().trim_start_matches("cap_")));
    format!("-all{}", names.collect::<String>())
}

/// The hour of the publication and a little more.
fn now() -> String {
    (at(1) + jiff::SignedDuration::from_mins(5)).to_string()
}

#[test]
fn root_enforces_without_a_network_and_the_account_that_ships_sees_the_spool_and_nothing_else() {
    let settings = "schema = \"mcpolicy/agent/v1\"\n[policy]\ntrust_root = \"/etc/mcpolicy/root.1.json\"\n\
        urls = [\"https://127.0.0.1:9/\"]\n[network]\nproxy = \"none\"\n\
        [[sink]]\nname = \"lines\"\nkind = \"file\"\npath = \"/var/lib/mcpolicy-ship/shipped/records.ndjson\"\n";
    let Some(ground) = Ground::new(settings) else { return };
    let script = format!(
        r#"
trace=""
if command -v strace >/dev/null; then trace="strace -f -qq -e trace=socket -o $T/trace"; fi
# the mask is the unit's, too: what root makes for the other account has to be open to it all the same
umask "$MASK"
$trace setpriv --bounding-set "$CAPS" --inh-caps=-all --no-new-privs "$B" run --json --now {} > "$T/run.out" 2> "$T/run.err" &
until_there test -d /var/lib/mcpolicy-ship/shipped
until_there sh -c 'test "$(stat -c %U /var/lib/mcpolicy-ship/shipped)" = mcpolicy-ship'
umask 022
# what is fetched is laid down by the account without rights
ship cp "$T/published/"* /var/lib/mcpolicy-ship/inbox/
ship "$B" ship --machine --at-once 2> "$T/ship.err" &
until_there sh -c '! grep -q evil /home/ann/.cursor/mcp.json'
until_there ship grep -q '"server":"evil"' /var/lib/mcpolicy-ship/shipped/records.ndjson
stat -c '%n %U:%G %a' /var/lib/mcpolicy /var/lib/mcpolicy-ship /var/lib/mcpolicy-ship/*
echo "--"
# what the account may not do
for wrong in "ls /var/lib/mcpolicy" "touch /var/lib/mcpolicy-ship/spool/x" "touch /var/lib/mcpolicy-ship/x" \
    "mv /var/lib/mcpolicy-ship/spool /var/lib/mcpolicy-ship/s" "cat /home/ann/.cursor/mcp.json-none"; do
    if ship sh -c "$wrong" 2>/dev/null; then echo "may: $wrong"; fi
done
# what a user may not do, and may
if ann ls /var/lib/mcpolicy-ship/spool 2>/dev/null; then echo "a user sees the spool"; fi
until_there sh -c 'test -n "$(setpriv --reuid 2001 --regid 2001 --clear-groups "$0" report --sent 2>/dev/null)"' "$B"
ann "$B" report --sent > "$T/sent" 2> "$T/sent.err"
ann grep -q '"server":"evil"' "$T/sent" && echo "ann sees what left"
"$B" status --json > "$T/status" || true
"#,
        now()
    );
    let output = ground.run(&script);
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let log = |name: &str| std::fs::read_to_string(ground.at(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{said}\n{errors}\n{}\n{}\n{}",
        log("run.out"),
        log("run.err"),
        log("ship.err")
    );
    for line in [
        "/var/lib/mcpolicy root:root 700",
        "/var/lib/mcpolicy-ship root:root 755",
        "/var/lib/mcpolicy-ship/inbox mcpolicy-ship:mcpolicy-ship 700",
        "/var/lib/mcpolicy-ship/shipped mcpolicy-ship:mcpolicy-ship 700",
        "/var/lib/mcpolicy-ship/spool root:mcpolicy-ship 750",
        "ann sees what left",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
    }
    assert!(!said.contains("may:") && !said.contains("a user sees"), "{said}");
    let status: Value = serde_json::from_str(&log("status")).unwrap();
    assert_eq!(status["policy"]["sequence"], 1, "{status}");
    assert!(!log("trace").contains("AF_INET"), "root has asked for a network: {}", log("trace"));
    // the mirror does not answer, and that is told
    let troubles = status["spool"]["troubles"].to_string();
    assert!(troubles.contains("no policy can be fetched"), "{status}");
}

#[test]
fn the_service_that_ships_ends_well_with_nothing_to_ship_and_a_person_who_starts_it_is_told() {
    let Some(ground) = Ground::new("schema = \"mcpolicy/agent/v1\"\n") else { return };
    let output = ground.run(
        r#"
for how in --machine "--settings /etc/mcpolicy/agent.toml --state /var/lib/mcpolicy-ship"; do
    code=0
    ship "$B" ship $how 2> "$T/err" || code=$?
    echo "$code $(cat "$T/err")"
done
"#,
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes: Vec<&str> =
        said.lines().filter_map(|line| line.split_once(' ').map(|(code, _)| code)).collect();
    assert_eq!(codes, ["0", "2"], "{said}{}", String::from_utf8_lossy(&output.stderr));
    let told = "there is nothing to ship: /etc/mcpolicy/agent.toml has no [[sink]] and no [policy] urls";
    assert_eq!(said.matches(told).count(), 2, "{said}");
}

/// The two units, with what `systemd-analyze security` may say of each at most, in tenths.
const UNITS: &[(&str, u32)] = &[("mcpolicy.service", 30), ("mcpolicy-ship.service", 20)];

#[test]
fn the_units_are_as_closed_as_the_design_asks() {
    for (unit, most) in UNITS {
        let path = workspace().join("installers/linux/systemd").join(unit);
        let output = security(&path, *most);
        let Some(output) = output else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("Overall exposure level"), "{unit}: {said}");
        // the check can fail
        assert!(!security(&path, 5).unwrap().status.success());
    }
}

fn security(unit: &Path, most: u32) -> Option<Output> {
    let threshold = format!("--threshold={most}");
    let arguments = ["security", "--no-pager", "--offline=true", &threshold];
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    if output.is_err() {
        mcpolicy_tests::skip("needs systemd-analyze");
    }
    output.ok()
}

#[test]
fn the_account_of_the_role_that_ships_is_made_by_systemd() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let account = workspace().join("installers/linux/systemd/mcpolicy.sysusers");
    let output =
        Command::new("systemd-sysusers").arg("--root").arg(root.path()).arg(account).env_clear().output();
    let Some(output) = output.ok().filter(|_| is_root()) else {
        return mcpolicy_tests::skip("needs root and systemd-sysusers");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    #[expect(clippy::disallowed_methods, reason = "a file that was just made")]
    let made = std::fs::read_to_string(root.path().join("etc/passwd")).unwrap_or_default();
    assert!(made.lines().any(|line| line.starts_with("mcpolicy-ship:")), "{said}{made}");
}
