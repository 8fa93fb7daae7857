//! Servers that run: the daemon ends what is denied and nothing else, on a live machine in name spaces of its own.

use mcpolicy_tests::signing::{at, publish};
use mcpolicy_tests::{TestMachine, say, skip, workspace};
use serde_json::{Value, json};

use crate::enforce::{npx, policy, rule};
use crate::live::can_isolate;

/// A user's client and what it has started. Servers are spoken to through pipes, as those of real clients are.
///
/// `good` and `evil` stand in its file, `other` in none; `unknown-mcp` is named by no rule. `notes-mcp` is a command that the
/// client runs in a shell. `tool` has no word of MCP in its own command line: its client was given it by a flag, and a
/// remote server beside it. `deaf` does not end when it is asked. npm gives its own processes a title of one word.
const MACHINE: &str = r#"
    cd /home/dev
    cp $(command -v bash) claude; cp $(command -v sleep) unknown-mcp; cp unknown-mcp notes-mcp; cp unknown-mcp child; cp unknown-mcp tool
    cp unknown-mcp node
    printf '#!/bin/bash\n/home/dev/child 6$RANDOM; while :; do sleep 1; done\n' > npx
    chmod +x npx
    cat > session.sh <<'X'
sleep 700 | /home/dev/npx -y @acme/good@1.0.0 | cat &
sleep 700 | /home/dev/npx -y evil@1.0.0 | cat &
sleep 700 | (exec -a 'npm exec other@1.0.0' /home/dev/node 703) | cat &
sleep 700 | (trap '' TERM; exec -a 'npm exec deaf@1.0.0' /home/dev/node 704) | cat &
sleep 700 | /home/dev/unknown-mcp 701 | cat &
sleep 700 | /home/dev/tool 705 | cat &
/bin/bash -c '/home/dev/notes-mcp 702; :' &
sleep 700
X
    chown -R 1000:1000 /home/dev
    as_dev() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
    as_dev /home/dev/claude session.sh --mcp-config \
        '{"mcpServers":{"given":{"command":"/home/dev/tool","args":["705"]},"far":{"url":"https://far.example/mcp"}}}' \
        >/dev/null 2>&1 &
    client=$!
    # processes of another user with the words of a denied server, and of the user's own below no client
    ( exec -a npx /bin/bash -c 'sleep 600; :' -y other@1.0.0 ) >/dev/null 2>&1 &
    as_dev /home/dev/npx -y evil@1.0.0 >/dev/null 2>&1 </dev/null &
    elsewhere=$!
    sleep 1
"#;

/// What runs of it: the words of each process, but for shells and pipes between.
const RUNS: &str = r#"
    runs() { for one in /proc/[0-9]*; do
        words=$(tr '\0\n' '  ' < $one/cmdline 2>/dev/null)
        case "$words" in *MCPOLICY*) ;; *npx*|*npm*|*-mcp*|*claude*|*child*) printf '%s\n' "$words";; esac
    done | sort; }
"#;

/// What the daemon said, and what ran before and after.
struct Told {
    lines: Vec<Value>,
    before: Vec<String>,
    after: Vec<String>,
    file: Value,
    log: String,
    /// What the user's desktop was told, where there is one.
    desktop: Vec<Value>,
    /// What `mcpolicy status --json` said at last.
    status: Value,
    status_code: String,
    /// The same at a moment between, where a test asked.
    of_many: String,
}

impl Told {
    fn of(&self, what: &str) -> Vec<&Value> {
        let servers = self.lines.iter().filter(|line| line["what"] == "servers");
        let all = servers.flat_map(|line| line["servers"].as_array().unwrap());
        all.filter(|told| told["what"] == what).collect()
    }

    fn names(&self, what: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.of(what).iter().map(|told| told["server"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// The running servers that the status names, with whether it is in doubt that they are some.
    fn running(&self) -> Vec<(&str, bool)> {
        let running = self.status["running"].as_array().unwrap().iter();
        let mut all: Vec<_> = running
            .map(|server| (server["server"].as_str().unwrap(), server.get("doubt").is_some()))
            .collect();
        all.sort_unstable();
        all
    }

    fn alerts(&self, code: &str) -> usize {
        self.status["alerts"].as_array().unwrap().iter().filter(|alert| alert["code"] == code).count()
    }

    fn runs(&self, words: &str) -> usize {
        self.after.iter().filter(|line| line.contains(words)).count()
    }
}

/// Runs the daemon beside a client, by a policy with a mode that revokes `evil`, `other` and `deaf`, until it has told of
/// something or a time has passed.
fn run(settings: &Value, until: &str) -> Option<Told> {
    let rules = json!([rule("@acme/good"), rule("evil"), rule("other"), rule("deaf")]);
    let revoked = ["evil", "other", "deaf"].map(
        |rule| json!({"id": format!("r-{rule}"), "revoked": {"rule": rule}, "reason": "found malicious"}),
    );
    let revocations = json!({"schema": "mcpolicy/revocations/v1", "revocation": revoked});
    run_by(&policy(settings, &rules), Some(&revocations), ("", ""), until)
}

/// The same by any policy. What is to happen `before` the daemon and `meanwhile`, beside it.
fn run_by(
    policy: &Value,
    revocations: Option<&Value>,
    (before, meanwhile): (&str, &str),
    until: &str,
) -> Option<Told> {
    if !can_isolate() {
        return None;
    }
    let machine = TestMachine::new(crate::BINARY);
    let root = machine.root();
    publish(&root.join("published"), 1, at(1), policy, revocations);
    let servers = json!({"mcpServers": {"good": npx("@acme/good@1.0.0"), "evil": npx("evil@1.0.0")}});
    machine.file(".claude.json", servers.to_string());
    let [lines, settings] = ["lines", "agent.toml"].map(|name| root.join(name).display().to_string());
    let script = format!(
        r#"{MACHINE}
        {RUNS}
        {before}
        runs > {root}/before
        printf 'schema = "mcpolicy/agent/v1"\n' > {root}/agent.toml
        $MCPOLICY run --json --settings {root}/agent.toml --state {root}/state --policy {root}/published --trust-root {root}/published/root.1.json \
            --now {now} > {root}/lines 2> {root}/errors &
        daemon=$!
        {meanwhile}
        for _ in $(seq 300); do sleep 0.1; {until} && break; done
        runs > {root}/after
        code=0; $MCPOLICY status --json --socket {root}/state/agent.sock > {root}/status || code=$?
        echo $code > {root}/status-code
        kill -TERM $daemon; wait $daemon
        echo "{{\"code\": $?}}"
        $MCPOLICY log --state {root}/state > {root}/log"#,
        root = root.display(),
        now = at(1) + jiff::SignedDuration::from_mins(5),
        until = until.replace("LINES", &lines),
        meanwhile = meanwhile.replace("LINES", &lines).replace("SETTINGS", &settings),
    );
    let ended = crate::live::isolated(&machine, &script);
    if ended["skipped"] == true {
        skip("dbus-daemon, python3-dbus and python3-gi are needed");
        return None;
    }
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let lines = |name: &str| read(name).lines().map(str::to_owned).collect::<Vec<_>>();
    let desktop = std::fs::read_to_string(machine.home().join("desktop")).unwrap_or_default();
    let told = Told {
        lines: lines("lines").iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
        before: lines("before"),
        after: lines("after"),
        file: serde_json::from_str(&std::fs::read_to_string(machine.home().join(".claude.json")).unwrap())
            .unwrap(),
        log: read("log"),
        of_many: std::fs::read_to_string(root.join("status-of-many")).unwrap_or_default(),
        desktop: desktop.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        status: serde_json::from_str(&read("status")).unwrap(),
        status_code: read("status-code").trim().to_owned(),
    };
    for line in &told.lines {
        say(&line.to_string());
    }
    say(&read("errors"));
    assert_eq!(ended["code"], 0);
    Some(told)
}

#[test]
fn servers_that_are_revoked_are_ended_and_the_client_and_all_others_go_on() {
    let settings = json!({"processes": "stop", "max_new_removals": {"entries": 50, "percent": 100}});
    // `deaf` goes by force, ten seconds after it was asked
    let Some(told) = run(&settings, "[ $(grep -o server-ended LINES | wc -l) -ge 3 ]") else { return };
    assert_eq!(
        told.before.iter().filter(|line| line.contains("-y evil@1.0.0")).count(),
        2,
        "{:?}",
        told.before
    );
    let ended = ["evil", "npx deaf@1.0.0", "npx other@1.0.0"];
    assert_eq!(told.names("server-asked"), ended);
    assert_eq!(told.names("server-killed"), ended[1..2]);
    assert_eq!(told.names("server-ended"), ended);
    assert_eq!(
        told.runs("-y evil@1.0.0"),
        1,
        "what runs below no client is no server of one: {:?}",
        told.after
    );
    assert_eq!(told.runs("-y other@1.0.0"), 1, "another user's process is left: {:?}", told.after);
    assert_eq!((told.runs("npm exec other"), told.runs("npm exec deaf")), (0, 0), "{:?}", told.after);
    assert_eq!(told.runs("/home/dev/claude"), 1, "{:?}", told.after);
    assert_eq!(told.runs("@acme/good@1.0.0"), 1, "{:?}", told.after);
    assert_eq!(told.runs("/home/dev/child"), 2, "what a server has started goes with it: {:?}", told.after);
    // what is only not allowed has a minute; what may be a command of the user's is told
    let warned = told.of("server-warned");
    let unknown = warned.iter().find(|told| told["server"] == "/home/dev/unknown-mcp 701").unwrap();
    assert!(unknown["detail"].as_str().unwrap().ends_with("it is ended in 60 s"), "{unknown}");
    assert_eq!((&unknown["code"], told.runs("unknown-mcp 701")), (&json!("not-allowed"), 1));
    let tool = warned.iter().find(|told| told["server"] == "/home/dev/tool 705");
    assert!(tool.is_some_and(|told| told["detail"].as_str().unwrap().ends_with("60 s")), "{warned:?}");
    let reported = told.of("server-reported");
    assert!(
        reported.iter().any(|told| told["detail"].as_str().unwrap().contains("in a shell")),
        "{reported:?}"
    );
    assert_eq!(told.runs("notes-mcp 702"), 2, "{:?}", told.after);
    // the entry is gone, and the client may hold it
    assert_eq!(told.file["mcpServers"].as_object().unwrap().keys().collect::<Vec<_>>(), ["good"]);
    let restart = told.of("restart-needed");
    assert_eq!(
        (restart.len(), &restart[0]["server"], &restart[0]["client"]),
        (1, &json!("evil"), &json!("claude-code"))
    );
    let running = told.running();
    assert!(running.contains(&("/home/dev/unknown-mcp 701", false)), "it has a minute: {running:?}");
    assert!(running.contains(&("far", false)), "a remote one has no process of its own: {running:?}");
    let given = told.of("undeclared-server");
    assert!(
        given.iter().any(|told| told["detail"].as_str().unwrap().contains("by --mcp-config")),
        "{given:?}"
    );
    assert!(running.iter().any(|(server, doubt)| server.contains("notes-mcp 702") && *doubt), "{running:?}");
    assert_eq!((&*told.status_code, told.alerts("server-ended")), ("10", 3), "{}", told.status);
    for code in ["server-warned", "server-asked", "server-killed", "server-ended", "restart-needed"] {
        assert!(told.log.contains(code), "{code} is not in the journal: {}", told.log);
    }
}

#[test]
fn a_mode_that_only_observes_tells_of_running_servers_and_ends_none() {
    let settings = json!({"processes": "stop", "mode": "observe"});
    let Some(told) = run(&settings, "grep -q server-reported LINES && sleep 3") else { return };
    assert_eq!(told.names("server-reported").len(), 6, "{:?}", told.names("server-reported"));
    let details = told.of("server-reported");
    let says =
        |words: &str| details.iter().filter(|told| told["detail"].as_str().unwrap().contains(words)).count();
    assert_eq!((says("mode observe ends nothing, enforcing would end it"), says("in a shell")), (5, 1));
    for what in ["server-warned", "server-asked", "server-killed", "restart-needed"] {
        assert_eq!(told.names(what), Vec::<String>::new());
    }
    assert_eq!(told.before, told.after);
}

/// Attack: a program puts a server back into the file as often as it is taken out, so that a client may start it between.
#[test]
fn a_server_that_a_tool_fights_for_is_ended_at_once_where_the_policy_says_so_and_no_other() {
    let fights = r#"
        until grep -q '"pass"' LINES; do sleep 0.1; done
        for _ in $(seq 8); do
            printf '{"mcpServers":{"evil":{"command":"npx","args":["-y","evil@1.0.0"]}}}' > /home/dev/.claude.json
            sleep 0.4
        done"#;
    let until = "grep -q server-ended LINES";
    let settings = json!({"fights": "stop-servers", "max_new_removals": {"entries": 50, "percent": 100}});
    let policy = policy(&settings, &json!([rule("@acme/good")]));
    let Some(told) = run_by(&policy, None, ("", fights), until) else { return };
    assert_eq!(told.names("server-asked"), ["evil"]);
    let reported = told.names("server-reported");
    assert!(reported.contains(&"/home/dev/unknown-mcp 701".to_owned()), "{reported:?}");
    assert_eq!(told.runs("-y evil@1.0.0"), 1, "one runs below no client: {:?}", told.after);
    assert_eq!((told.runs("/home/dev/claude"), told.runs("@acme/good@1.0.0")), (1, 1), "{:?}", told.after);
    assert!(told.log.contains("fight"), "{}", told.log);
}

#[test]
fn a_policy_that_has_servers_reported_ends_none() {
    let Some(told) = run(&json!({}), "grep -q server-reported LINES && sleep 3") else { return };
    assert!(!told.names("server-reported").is_empty());
    assert!(told.of("server-asked").is_empty() && told.of("server-killed").is_empty());
    assert_eq!(told.before, told.after);
    // whoever detects by the exit code hears of it, though no file holds what runs
    assert_eq!(told.status_code, "10");
    let left = &told.status["running"].as_array().unwrap()[0]["left"];
    assert_eq!(left, "the policy has running servers told, not ended");
    assert!(told.alerts("server-reported") > 0, "{}", told.status);
}

/// A session of the user with a bus and a desktop that writes down what it is told.
fn desktop() -> String {
    let server = std::fs::read_to_string(workspace().join("tests/fixtures/notification_server.py")).unwrap();
    format!(
        r#"
        if ! dbus-daemon --version >/dev/null 2>&1 || ! /usr/bin/python3 -c 'import dbus, gi' 2>/dev/null; then
            echo '{{"skipped": true}}'; exit 0
        fi
        mount -t tmpfs none /run; mkdir -p /run/user/1000
        cat > /run/desktop.py <<'X'
{server}
X
        chown 1000:1000 /run/user/1000; chmod 700 /run/user/1000
        as_dev dbus-daemon --session --nofork --nopidfile --address=unix:path=/run/user/1000/bus >/dev/null 2>&1 &
        until [ -S /run/user/1000/bus ]; do sleep 0.1; done
        DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus \
            as_dev /usr/bin/python3 /run/desktop.py /home/dev/desktop > /run/ready 2>/dev/null &
        until grep -q ready /run/ready; do sleep 0.1; done"#
    )
}

#[test]
fn the_user_reads_on_the_desktop_which_server_will_be_ended_and_how_much_else_there_is() {
    let settings = json!({"processes": "stop", "contact": "#mcp-help"});
    let policy = policy(&settings, &json!([rule("@acme/good"), rule("evil")]));
    let revoked = json!({"schema": "mcpolicy/revocations/v1", "revocation": [
        {"id": "r-evil", "revoked": {"rule": "evil"}, "reason": "found malicious"}]});
    let until = "grep -q server-ended LINES && grep -q 'will be ended' /home/dev/desktop 2>/dev/null";
    let Some(told) = run_by(&policy, Some(&revoked), (&desktop(), ""), until) else { return };
    let summaries: Vec<&str> = told.desktop.iter().map(|told| told["summary"].as_str().unwrap()).collect();
    // the second comes ten seconds after the first, with all that came meanwhile: three more to be ended, and one that was
    assert_eq!(summaries, ["evil was taken out of claude-code", "npx other@1.0.0 will be ended"]);
    let body = told.desktop[1]["body"].as_str().unwrap();
    for words in ["ended in 60 s (not-allowed)", "Ask: #mcp-help", "and 4 more: mcpolicy status"] {
        assert!(body.contains(words), "{body}");
    }
    assert!(told.desktop.iter().all(|told| told["uid"] == 1000), "{:?}", told.desktop);
}

/// Attack: processes with the name of a client and a flag by the hundred, anew at each look, each of which would be a record
/// that is synced to the disk.
#[test]
fn a_user_with_very_many_clients_with_servers_of_flags_is_told_in_turn_and_is_not_compliant() {
    let many = r#"
        for n in $(seq 100); do
            as_dev /home/dev/claude -c 'sleep 600; :' --mcp-config \
                "{\"mcpServers\":{\"far$n\":{\"url\":\"https://far.example/mcp/$n\"}}}" >/dev/null 2>&1 &
        done
        sleep 1"#;
    let policy = policy(&json!({}), &json!([rule("@acme/good"), rule("evil")]));
    // far more than one look's four; then all end but the last, which was one too many to be looked at
    let meanwhile = r#"
        until [ $(grep -o 'by --mcp-config' LINES | wc -l) -ge 12 ]; do sleep 0.1; done
        $MCPOLICY status --json --socket $root/state/agent.sock > $root/status-of-many || true
        all=$(pgrep -f 'far.example/mcp/[0-9]' | sort -n)
        grep -ao 'far[0-9]*' /proc/$(echo "$all" | tail -n 1)/cmdline | head -n 1 > $root/last
        kill $(echo "$all" | head -n -1)"#;
    let until = "[ -s $root/last ] && grep -q \"$(cat $root/last): no rule\" LINES";
    let Some(told) = run_by(&policy, None, (many, meanwhile), until) else { return };
    let looks = told.lines.iter().filter(|line| line["what"] == "servers");
    let of_look = |look: &Value| {
        let all = look["servers"].as_array().unwrap().iter();
        all.filter(|told| told["detail"].as_str().unwrap().contains("by --mcp-config")).count()
    };
    let counts: Vec<usize> = looks.map(of_look).filter(|count| *count > 0).collect();
    assert!(counts.iter().all(|count| *count <= 4) && counts.len() >= 3, "{counts:?}");
    assert!(told.of_many.contains(r#""state": "non-compliant""#), "{}", told.of_many);
    assert_eq!(told.status_code, "10");
    let is_of_many = |name: &&str| name.strip_prefix("far").is_some_and(|number| !number.is_empty());
    let left: Vec<&str> = told.running().into_iter().map(|(name, _)| name).filter(is_of_many).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A server whose client has ended is nobody's any more, and what is decided of it meanwhile counts.
#[test]
fn a_server_that_outlived_its_client_is_spared_when_the_mode_is_lowered_meanwhile() {
    let meanwhile = r#"
        until grep -q 'unknown-mcp 701.*is ended in 60 s' LINES; do sleep 0.1; done
        kill $(pgrep -f '^/home/dev/claude session'); sleep 1
        printf '[enforcement]\nmode_ceiling = "observe"\n' >> SETTINGS"#;
    let settings = json!({"processes": "stop"});
    let policy = policy(&settings, &json!([rule("@acme/good"), rule("evil")]));
    let until = "grep -q server-spared LINES";
    let Some(told) = run_by(&policy, None, ("", meanwhile), until) else { return };
    assert!(told.names("server-spared").contains(&"/home/dev/unknown-mcp 701".to_owned()));
    assert_eq!((told.runs("unknown-mcp 701"), told.runs("/home/dev/claude")), (1, 0), "{:?}", told.after);
    let all = told.status["running"].as_array().unwrap();
    let one = all.iter().find(|server| server["server"] == "/home/dev/unknown-mcp 701");
    assert_eq!(one.unwrap()["left"], "mode observe ends nothing, enforcing would end it");
}
