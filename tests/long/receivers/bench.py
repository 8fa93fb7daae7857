"""What the checks of run.py share: a CA, settings, receivers as processes, and records read by nothing of the project."""

import contextlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

WORK = pathlib.Path(os.environ["RECEIVERS_WORK"])
MCPOLICY = os.environ["RECEIVERS_MCPOLICY"]
FORMATS = ("native", "ecs", "ocsf")
KEY = "cmVjZWl2ZXJzOnNlY3JldA=="
IS_ROOT = os.geteuid() == 0
# nobody of Debian: a program of a stranger gets no account of ours
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if IS_ROOT else []


def said(what):
    print(f"ok: {what}", flush=True)


def until(what, is_so, seconds=120, pause=0.2):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(OSError):
            if value := is_so():
                return value
        time.sleep(pause)
    raise AssertionError(f"{what}: not after {seconds} s")


def openssl(*words):
    subprocess.run(["openssl", *words], cwd=WORK / "ca", check=True, capture_output=True)


def make_ca():
    """A CA, a certificate for localhost of it, and the same as PKCS #12 for Java."""
    folder = WORK / "ca"
    folder.mkdir()
    (folder / "ext").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    (folder / "password").write_text("not secret\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=receivers",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "2",
            "-extfile", "ext")
    openssl("pkcs12", "-export", "-in", "server.pem", "-inkey", "server.key", "-out", "server.p12", "-passout", "file:password")


class Process:
    """A receiver: started, killed as a power cut does, started again."""

    def __init__(self, name, words, env=None):
        self.name, self.words, self.env, self.child = name, words, env or {}, None

    def start(self):
        log = (WORK / f"{self.name}.log").open("ab")
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.env}
        self.child = subprocess.Popen(self.words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env, cwd="/")
        return self

    def kill(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()


class Web:
    """Asks a server that the CA vouches for."""

    def __init__(self, base, authorization=None):
        self.base, self.authorization = base, authorization
        self.context = ssl.create_default_context(cafile=WORK / "ca" / "ca.pem") if base.startswith("https") else None
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))

    def ask(self, path, body=None, method=None, may_fail=False):
        request = urllib.request.Request(self.base + path, method=method or ("POST" if body is not None else "GET"))
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with self.opener.open(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            if may_fail:
                return None
            raise AssertionError(f"{path}: {error.code} {error.read()[:400]}") from error
        return json.loads(text) if text.startswith((b"{", b"[")) else text


def settings(sinks, name="agent.toml", more=""):
    """Settings with these sinks (name to members), which trust the CA and use no proxy."""
    lines = ['schema = "mcpolicy/agent/v1"', "[device]", 'id = "receivers"', "[network]", 'proxy = "none"',
             f"ca_files = [{json.dumps(str(WORK / 'ca' / 'ca.pem'))}]", more]
    for sink, members in sinks.items():
        lines += ["[[sink]]", f"name = {json.dumps(sink)}"] + [f"{key} = {json.dumps(value)}" for key, value in members.items()]
    path = WORK / name
    path.write_text("\n".join(lines) + "\n")
    return path


def ship_words(config, records, sink, within=400):
    return [MCPOLICY, "ship", "--settings", str(config), "--state", str(WORK / "state"), "--once", str(records), "--to", sink, "--json",
            "--within", str(within)]


def shipping(*words, **more):
    env = {"PATH": os.environ["PATH"], "HOME": str(WORK / "home")}
    return subprocess.Popen(ship_words(*words, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def told(child):
    """What `ship --once` said, with its exit code."""
    out, err = child.communicate(timeout=900)
    assert child.returncode in (0, 1), (child.returncode, err)
    return json.loads(out) | {"exit": child.returncode}


def ship(*words, **more):
    return told(shipping(*words, **more))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def fleet():
    """The generated fleet in one file, by id."""
    path = WORK / "records.ndjson"
    if not path.exists():
        path.write_bytes(b"".join(part.read_bytes() for part in sorted((WORK / "fleet" / "records").iterdir())))
    records = {record["id"]: record for record in lines(path)}
    return path, records


def written(form, records, config):
    """What the sink `file` writes of the same records in a form, by the record's id: the second way out, without a network."""
    said = ship(config, records, f"file-{form}")
    assert said["exit"] == 0 and said["rejected"] == 0, said
    place = {"native": lambda d: d["id"], "ecs": lambda d: d["event"]["id"], "ocsf": lambda d: d["metadata"]["uid"]}[form]
    return {place(document): document for document in lines(WORK / f"written-{form}.ndjson")}


def file_sinks():
    return {f"file-{form}": {"kind": "file", "path": str(WORK / f"written-{form}.ndjson"), "format": form, "max_mib": 200} for form in FORMATS}


def same(stored, sent, what):
    """Exactly those, each as it was sent."""
    missing, strange = sent.keys() - stored.keys(), stored.keys() - sent.keys()
    assert not missing and not strange, f"{what}: {len(missing)} missing, {len(strange)} strange, {sorted(missing | strange)[:3]}"
    for identity, document in sent.items():
        assert stored[identity] == document, f"{what}: {identity} is not as sent:\n{stored[identity]}\n{document}"
