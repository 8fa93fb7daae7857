"""What each role may and may not do, as systemd has set it up, and what users are answered."""

import json
from pathlib import Path

import machine as m
from machine import HOME, RUN, SHIP

# capabilities(7)
NUMBERS = {
    "chown": 0, "dac_override": 1, "dac_read_search": 2, "fowner": 3, "kill": 5, "setgid": 6, "setuid": 7, "sys_ptrace": 19,
}
INSTALLED = Path("/usr/lib/systemd/system")


def check(report):
    units_are_as_shipped(report)
    exposure(report)
    run_has_its_rights_and_no_network(report)
    what_the_unit_of_run_lets(report)
    ship_has_no_rights_and_sees_no_home(report)


def units_are_as_shipped(report):
    for unit in (RUN, SHIP):
        has = m.shown(unit, "FragmentPath", "DropInPaths", "NeedDaemonReload")
        ours = Path("/test/units") / unit
        is_ours = (INSTALLED / unit).read_bytes() == ours.read_bytes()
        is_from_there = has["FragmentPath"].removeprefix("/usr") == str(INSTALLED / unit).removeprefix("/usr")
        is_alone = is_from_there and not has["DropInPaths"] and has["NeedDaemonReload"] == "no"
        report.say(f"{unit} runs exactly as shipped", is_ours and is_alone, None, has)


def exposure(report):
    for unit, most in ((RUN, 3.0), (SHIP, 2.0)):
        said = m.must("systemd-analyze", "security", "--no-pager", unit).strip().splitlines()[-1]
        figure = float(said.split(": ")[-1].split()[0])
        report.say(f"the exposure of {unit} is at most {most}", figure <= most, None, said)


def is_shut_in(process):
    return process["NoNewPrivs"] == "1" and process["Seccomp"] == "2"


def run_has_its_rights_and_no_network(report):
    pid = m.main_pid(RUN)
    names = m.shown(RUN, "CapabilityBoundingSet")["CapabilityBoundingSet"].split()
    allowed = sum(1 << NUMBERS[name.removeprefix("cap_")] for name in names)
    own = m.of_process(pid)
    is_root = own["Uid"].split() == ["0"] * 4 and int(own["CapEff"], 16) == allowed
    report.say("run is root with the capabilities of its unit", is_root, None, own["CapEff"])
    every = [m.of_process(pid) for pid in m.pids(RUN)]
    is_bound = all(not int(each["CapBnd"], 16) & ~allowed and is_shut_in(each) for each in every)
    report.say("no process of run goes beyond its unit", every and is_bound, None, f"{len(every)} processes")
    held = {each: m.network_sockets(each) for each in m.pids(RUN)}
    report.say("run has no socket of a network", held and not any(held.values()), None, held)
    # what says so can see one
    report.say("the receiver has one", any(m.network_sockets(each) for each in m.pids("test-receiver.service")))


def what_the_unit_of_run_lets(report):
    """The same unit with another program in it, which tries."""
    lines = (INSTALLED / RUN).read_text().splitlines()
    # another unit that stops would take the folder of the socket with it, and this one runs once
    kept = [line for line in lines if not line.startswith(("ExecStart=", "Restart", "RuntimeDirectory"))]
    at = kept.index("[Service]") + 1
    told = ["StandardOutput=file:/test/probe.out", "StandardError=file:/test/probe.err"]
    kept[at:at] = ["Type=oneshot", "ExecStart=/usr/bin/python3 /test/probe.py", *told]
    Path("/run/systemd/system/test-probe.service").write_text("\n".join(kept) + "\n")
    m.must("systemctl", "daemon-reload")
    m.must("systemctl", "start", "test-probe.service")
    could = set(Path("/test/probe.out").read_text().split("\n")) - {""}
    needed = {"AF_UNIX", "home", "project", "state", "spool", "log", "bus of ann"}
    why = Path("/test/probe.err").read_text()
    report.say("the unit of run lets what the agent needs and nothing else", could == needed, None, f"{sorted(could)}\n{why}")


def ship_has_no_rights_and_sees_no_home(report):
    pid = m.main_pid(SHIP)
    own = m.of_process(pid)
    account = m.must("id", "-u", "mcpolicy-ship").strip()
    nothing = all(int(own[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"))
    is_so = own["Uid"].split() == [account] * 4 and nothing and is_shut_in(own)
    report.say("ship is its own account without any capability", is_so, None, own["Uid"])

    def as_ship(script):
        drop = ("--reuid", "mcpolicy-ship", "--regid", "mcpolicy-ship", "--clear-groups", "--no-new-privs", "--bounding-set=-all")
        return m.run("nsenter", f"--target={pid}", "--mount", "setpriv", *drop, "sh", "-c", script)

    # a file that everybody could read if its folders let them
    (HOME / "open").write_text("x")
    HOME.chmod(0o755)
    for wrong in (
        f"cat {HOME}/open",
        "ls /var/lib/mcpolicy",
        "ls /run/mcpolicy",
        "touch /var/lib/mcpolicy-ship/x",
        "touch /var/lib/mcpolicy-ship/spool/x",
        "touch /etc/x",
        f"cat /proc/{m.main_pid(RUN)}/status",
    ):
        done = as_ship(wrong)
        report.say(f"ship may not: {wrong}", done.returncode != 0, None, done.stderr)
    folder = "/var/lib/mcpolicy-ship"
    right = f"cat /etc/mcpolicy/agent.toml && ls {folder}/spool && touch {folder}/inbox/x && rm {folder}/inbox/x"
    report.say("ship may read settings and spool, and write its inbox", as_ship(right).returncode == 0)
    HOME.chmod(0o700)
    (HOME / "open").unlink()


def answers_to_a_user(report):
    said = m.as_ann("mcpolicy", "status", "--json")
    is_well = said.returncode == 0 and json.loads(said.stdout)["state"] == "compliant"
    report.say("status of a user is 0 and says compliant", is_well, None, "" if is_well else said.stdout + said.stderr)
    # what was delivered is told every 20 s, and asked for as often
    report.within("a user sees what left", 45, lambda: '"server":"evil"' in m.as_ann("mcpolicy", "report", "--sent").stdout)
    said = m.as_ann("ls", "/var/lib/mcpolicy-ship/spool")
    report.say("a user does not see the queue", said.returncode != 0)


def a_file_of_an_administrator(report):
    """It is told and never edited; /etc is read-only to the agent."""
    folder = Path("/etc/claude-code")
    folder.mkdir()
    text = json.dumps({"mcpServers": {"machine-wide": m.npx("evil@1.0.0")}})
    (folder / "managed-mcp.json").write_text(text)
    code = lambda: m.as_ann("mcpolicy", "status", "--quiet").returncode
    report.within("a denied server in /etc makes the status of a user 10", 10, lambda: code() == 10)
    report.say("the file in /etc is as it was", (folder / "managed-mcp.json").read_text() == text)
    (folder / "managed-mcp.json").unlink()
    folder.rmdir()
    report.within("and 0 without it", 20, lambda: code() == 0)


def a_home_that_is_unlocked(report):
    """Mounted in the name space of the machine while the agent, with one of its own, runs."""
    disk, home = Path("/srv/disk"), Path("/home/bob")
    disk.mkdir()
    m.must("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", disk)
    (disk / ".cursor").mkdir()
    (disk / ".cursor/mcp.json").write_text(json.dumps({"mcpServers": {"of-bob": m.npx("evil@1.0.0")}}))
    m.must("chown", "-R", "bob:bob", disk)
    m.must("mount", "--bind", disk, home)
    file = home / ".cursor/mcp.json"
    report.within("what a home holds that is mounted later is answered", 40, lambda: "of-bob" not in file.read_text())
