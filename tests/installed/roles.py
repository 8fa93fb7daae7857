"""The checks of one boot, in their order: first the machine as MDM takes it up, then the same after it was off."""

import collections
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import journal
import machine as m
import rights
import security_team
from machine import RUN, SHIP, Report

BOOTS = Path("/test/boots")
# what a user planted while no agent ran
WHILE_OFF = "while-off"
# every denied server that is planted, in one boot or the other
PLANTED = ("evil", "later", "after-kill-of-run", "after-kill-of-ship", "in-outage", WHILE_OFF, "last")


def main():
    with open(BOOTS, "a", encoding="utf-8") as out:
        out.write("boot\n")
    boot = len(BOOTS.read_text().splitlines())
    report = Report(boot)
    try:
        (first if boot == 1 else second)(report)
        report.say("the checks came to their end", True)
    except Exception:  # whatever it is, the machine has to go off, and somebody has to read it
        report.say("no check failed to run", False, None, traceback.format_exc())
    return 0


def first(report):
    report.say("the account is there", m.run("id", "mcpolicy-ship").returncode == 0)
    security_team.make_certificates()
    security_team.publish_first()
    m.must("systemctl", "start", "test-receiver", "test-desktop")
    enrolled(report)
    taken_out(report, "evil", "evil@1.0.0")
    notified = Path("/home/ann/notifications")
    report.within("ann is told on her desktop", 5, lambda: notified.exists() and "evil was taken out" in notified.read_text())
    revoked(report, meanwhile=lambda: rights.check(report))
    killed(report, RUN)
    killed(report, SHIP)
    outage(report, meanwhile=lambda: in_between(report))
    stopped(report)
    journal.check(report)
    # the machine goes off, and its user is not idle
    m.must("systemctl", "stop", RUN)
    m.plant(**{WHILE_OFF: "evil@1.0.0"})


def enrolled(report):
    """MDM lays its files down on a machine that is on. The services find them by themselves."""
    security_team.drop_settings()
    start = time.monotonic()
    report.within("run is up after MDM has come", 10, lambda: m.is_up(RUN), start)
    report.within("ship is up after MDM has come", 20, lambda: m.is_up(SHIP), start)
    security_team.renew_authorities()
    report.within("the first policy is fetched and in force", 25, is_in_force)


def taken_out(report, name, package, what="", since=None):
    """Plants a server; it must leave its file, and the receiver must hear of it."""
    start = time.monotonic() if since is None else since
    m.plant(**{name: package})
    report.within(f"a denied server is taken out{what}", 10, lambda: m.declared() == {"good"}, start)
    report.within(f"its record is at the receiver{what}", 10, lambda: m.has_arrived(name), start)


def revoked(report, meanwhile):
    """An emergency denial at the web server takes out what was allowed, and nobody starts anything for it."""
    m.plant(later="@acme/later-revoked@1.0.0")
    time.sleep(2)
    report.say("what the policy allows stays", m.declared() == {"good", "later"})
    before = (m.main_pid(RUN), m.main_pid(SHIP))
    security_team.revoke("@acme/later-revoked")
    start = time.monotonic()
    meanwhile()
    # a head may ask for a poll every 30 s, half more or less
    report.within("a revocation is fetched and enforced", 50, lambda: m.declared() == {"good"}, start)
    report.within("and its record is at the receiver", 55, lambda: m.has_arrived("later"), start)
    report.say("without a restart of either", before == (m.main_pid(RUN), m.main_pid(SHIP)))


def killed(report, unit):
    name = "run" if unit == RUN else "ship"
    old = m.main_pid(unit)
    os.kill(old, signal.SIGKILL)
    start = time.monotonic()
    taken_out(report, f"after-kill-of-{name}", "evil@1.0.0", f" after kill -9 of {name}", start)
    report.within(f"{name} is another process", 10, lambda: m.is_up(unit) and m.main_pid(unit) not in (0, old), start)


def outage(report, meanwhile):
    """The receiver is away; what happens meanwhile comes when it is back, by itself."""
    m.must("systemctl", "stop", "test-receiver")
    m.plant(**{"in-outage": "evil@1.0.0"})
    report.within("a denied server is taken out without a receiver", 10, lambda: m.declared() == {"good"})
    time.sleep(3)
    report.say("its record has not arrived", not m.has_arrived("in-outage"))
    m.must("systemctl", "start", "test-receiver")
    start = time.monotonic()
    meanwhile()
    # waits after a first failure are 30 to 90 s
    report.within("it arrives when the receiver is back", 100, lambda: m.has_arrived("in-outage"), start)


def in_between(report):
    rights.answers_to_a_user(report)
    rights.a_file_of_an_administrator(report)
    rights.a_home_that_is_unlocked(report)


def stopped(report):
    before = len(m.events("agent-stopped"))
    for unit in (SHIP, RUN):
        start = time.monotonic()
        m.must("systemctl", "stop", unit)
        took = time.monotonic() - start
        has = m.shown(unit, "Result", "ExecMainCode", "ExecMainStatus", "ActiveState")
        is_clean = has == {"Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0", "ActiveState": "inactive"}
        report.say(f"{unit} stops cleanly", is_clean and took < 10, round(took, 2), has)
    report.say("status of a user is 13 then", m.as_ann("mcpolicy", "status", "--quiet").returncode == 13)
    m.must("systemctl", "start", RUN, SHIP)
    report.within("both are up again", 10, lambda: m.is_up(RUN) and m.is_up(SHIP))
    # that none ran is urgent, and takes along what is not
    report.within("that it was told to stop is at the receiver", 10, lambda: len(m.events("agent-stopped")) > before)


def is_in_force():
    policy = m.status().get("policy", {})
    return (policy.get("sequence"), policy.get("mode")) == (1, "enforce")


def second(report):
    report.within("a server planted while the machine was off is taken out", 10, lambda: m.declared() == {"good"})
    kept = m.must("mcpolicy", "quarantine", "list")
    report.within("the policy is in force before any network is there", 5, is_in_force)
    report.say("what was taken out in the boot before is kept", all(name in kept for name in PLANTED[:6]), None, kept)
    m.plant(later="@acme/later-revoked@1.0.0")
    report.within("the revocation still counts", 10, lambda: m.declared() == {"good"})
    report.within("both are up", 10, lambda: m.is_up(RUN) and m.is_up(SHIP))
    m.must("systemctl", "start", "test-receiver", "test-desktop")
    security_team.renew_authorities()
    report.within("its record is at the receiver", 25, lambda: m.has_arrived(WHILE_OFF))
    taken_out(report, "last", "evil@1.0.0", " in the second boot")
    report.within("both sinks have the same records", 15, lambda: in_file() == {record["id"] for record in m.received()})
    nothing_is_lost(report)
    journal.check(report)


def in_file():
    """Records that the sink of the kind file has."""
    return {json.loads(line)["id"] for line in Path("/var/log/mcpolicy/records.ndjson").read_text().splitlines()}


def nothing_is_lost(report):
    records = m.received()
    said = m.run("mcpolicy", "fleet", "check", m.RECEIVED)
    report.say("the chain of every class is whole", said.returncode == 0, None, said.stdout + said.stderr)
    by_id = collections.defaultdict(set)
    numbers = collections.defaultdict(set)
    for record in records:
        by_id[record["id"]].add(json.dumps(record, sort_keys=True))
        numbers[record["class"], record["chain"]["epoch"]].add(record["chain"]["seq"])
    is_whole = all(found == set(range(1, len(found) + 1)) for found in numbers.values())
    count = f"{len(records)} records, {len(records) - len(by_id)} of them again, {len(numbers)} chains"
    is_one_each = len({kind for kind, _ in numbers}) == len(numbers)
    report.say("numbers have no hole from the first on", is_whole and is_one_each, None, count)
    report.say("what comes again is the same", all(len(texts) == 1 for texts in by_id.values()))
    report.say("every server that was taken out is told", all(m.has_arrived(name) for name in (*PLANTED, "of-bob")))
    report.say("that an agent was killed is told", any("it was killed" in record["detail"] for record in m.events("agent-gap")))


sys.exit(main())
