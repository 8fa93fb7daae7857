"""A user's agent that enforces and ships by itself: what it did, at every receiver, while Elasticsearch is killed and started again."""

import json
import os
import subprocess
import time

import otlp
from bench import IS_ROOT, MCPOLICY, WORK, Process, lines, said, same, settings, until
from elastic import Elastic, millis, sink

ANN = 1500 if IS_ROOT else os.getuid()
ROUNDS, SERVERS = 5, 30
FOLDER = WORK / "daemon"


def run(*words):
    env = {"PATH": os.environ["PATH"], "HOME": str(FOLDER)}
    subprocess.run([MCPOLICY, *map(str, words)], check=True, capture_output=True, env=env, cwd=FOLDER)


def publish():
    """A policy that allows nothing, signed and published."""
    repository, key = FOLDER / "policy", FOLDER / "keys" / "solo.pem"
    run("policy", "init", repository, "--solo", "--no-passphrase", "--keys", FOLDER / "keys", "--name", "receivers", "--contact", "#security")
    run("policy", "sign", "--key", key, repository)
    run("policy", "publish", "--key", key, "--to", FOLDER / "published", repository)
    return {"dir": FOLDER / "published", "trust_root": repository / "trust" / "root.1.json"}


def servers(number):
    """A client's file with many servers that nobody allowed."""
    denied = {f"evil-{number}-{at}": {"command": "npx", "args": ["-y", f"@evil/s{number}-{at}@1.0.0"]} for at in range(SERVERS)}
    path = FOLDER / "root" / "home" / "ann" / ".cursor" / "mcp.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"mcpServers": denied}))
    if IS_ROOT:
        os.chown(new, ANN, ANN)
    new.rename(path)


def machine():
    home = FOLDER / "root" / "home" / "ann"
    for folder in (home / ".cursor", FOLDER / "root" / "etc", FOLDER / "state", FOLDER / "out"):
        folder.mkdir(parents=True)
    (FOLDER / "root" / "etc" / "passwd").write_text(f"ann:x:{ANN}:{ANN}::/home/ann:/bin/sh\n")
    key = FOLDER / "out" / "key"
    key.write_text((WORK / "key").read_text())
    key.chmod(0o600)
    (FOLDER / "state").chmod(0o700)
    if IS_ROOT:
        subprocess.run(["chown", "-R", f"{ANN}:{ANN}", FOLDER / "root" / "home", FOLDER / "state", FOLDER / "out"], check=True)
    return home


def agent(home, config):
    words = ["setpriv", f"--reuid={ANN}", f"--regid={ANN}", "--clear-groups"] if IS_ROOT else []
    words += [MCPOLICY, "run", "--ship", "--root", str(FOLDER / "root"), "--settings", str(config), "--state", str(FOLDER / "state")]
    return Process("agent", words, {"HOME": str(home)})


def refused(record):
    return "cause" in record


def left():
    """What the sink `file` has: what left the machine, by id, and each once as nothing broke off on the way to a file."""
    records = lines(FOLDER / "out" / "records.ndjson")
    by_id = {record["id"]: record for record in records}
    assert len(by_id) == len(records)
    return by_id


def aside():
    path = FOLDER / "state" / "ship" / "shipped" / "aside-elastic.ndjson"
    return lines(path) if path.exists() else []


def violations(records):
    return {record["server"] for record in records.values() if record["kind"] == "action" and record["outcome"] == "applied"}


def storm(elastic):
    """Rounds of denied servers; Elasticsearch is gone in two of them, and comes back with what it had."""
    for number in range(ROUNDS):
        if number in (1, 3):
            elastic.kill()
        servers(number)
        wanted = {f"evil-{number}-{at}" for at in range(SERVERS)}
        until(f"round {number} in the file", lambda: wanted <= violations(left()))
        if number in (2, 4):
            elastic.start()
        # more rewrites of one file than the agent takes for a fight would make it wait
        time.sleep(13)


def checks():
    FOLDER.mkdir()
    elastic, kept, proxy, collector = Elastic(), otlp.Kept(), otlp.nginx(), otlp.rotel()
    wanted = sink(index="daemon")
    policy = publish()
    home = machine()
    wanted["credential_file"] = str(FOLDER / "out" / "key")
    more = "\n".join(["[policy]"] + [f"{key} = {json.dumps(str(value))}" for key, value in policy.items()] + ["[report]", "heartbeat_minutes = 1"])
    config = settings({"elastic": wanted, "collector": {"kind": "otlp", "url": f"https://localhost:{otlp.TLS}/"},
                       "lines": {"kind": "file", "path": str(FOLDER / "out" / "records.ndjson")}}, "daemon.toml", more)
    running = agent(home, config)
    try:
        for process in (proxy, collector):
            process.start()
        elastic.start()
        # a field of another type: inventories do not fit, all else does
        elastic.web.ask("/daemon", {"mappings": {"properties": {"cause": {"type": "integer"}}}}, method="PUT")
        running.start()
        until("the first inventory", lambda: any(refused(record) for record in left().values()))
        storm(elastic)
        until("all at Elasticsearch", lambda: fits(left()).keys() <= elastic.all("daemon").keys(), seconds=600, pause=2)
        until("what does not fit is set aside", lambda: not_fitting(left()) <= {line_id(line) for line in aside()}, seconds=120, pause=1)
        running.kill()
        tell(elastic, kept)
    finally:
        for process in (running, collector, proxy):
            process.kill()
        kept.close()
        elastic.kill()


def fits(records):
    return {identity: record for identity, record in records.items() if not refused(record)}


def not_fitting(records):
    return {identity for identity, record in records.items() if refused(record)}


def line_id(line):
    return line.get("id") or json.loads(line["record"])["id"]


def tell(elastic, kept):
    records = left()
    stored = elastic.all("daemon")
    # a record stands under the time at which it came into the queue, some moments after what it tells of
    delays = [millis(document.pop("@timestamp")) - millis(document["time"]) for document in stored.values()]
    assert 0 <= min(delays) and max(delays) < 60_000, (min(delays), max(delays))
    # what was written between the last look and the kill may be at one and not yet at another
    late = records.keys() - stored.keys() - not_fitting(records)
    same(stored, {identity: record for identity, record in fits(records).items() if identity not in late}, "daemon, elastic")
    assert len(late) <= 2 and len(violations(stored)) == ROUNDS * SERVERS, (late, len(violations(stored)))
    bodies = {}
    for _, _, log in kept.records():
        identity = otlp.words(log.attributes)["log.record.uid"]
        assert identity not in bodies, f"{identity} twice"
        bodies[identity] = json.loads(log.body.string_value)
    missing = records.keys() - bodies.keys()
    assert len(missing) <= 2, missing
    same(bodies, {identity: record for identity, record in records.items() if identity not in missing}, "daemon, otlp")
    kinds = sorted({record["kind"] for record in records.values()})
    said(f"daemon: {ROUNDS * SERVERS} violations and {len(records)} records ({', '.join(kinds)}) are at Elasticsearch, which was killed twice, and "
         f"behind the collector, each once and as in the file; {len(not_fitting(records))} that Elasticsearch cannot take are set aside; @timestamp is up to {max(delays)} ms after the record's own time")
