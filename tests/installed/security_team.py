"""The security team's side: keys, a policy, a published folder, an emergency denial; and MDM, which drops files on the machine."""

import os
import shutil
from pathlib import Path

from machine import TEST, must

REPOSITORY, KEYS, SITE = TEST / "repo", TEST / "repo-keys", TEST / "site"
ETC = Path("/etc/mcpolicy")

RULES = """
[[rule]]
id = "good"
identity.npm = { package = "@acme/good", versions = "1.0.0" }
owner = "a@example.com"
review_by = "2030-06-30"

[[rule]]
id = "later-revoked"
identity.npm = { package = "@acme/later-revoked", versions = "1.0.0" }
owner = "a@example.com"
review_by = "2030-06-30"
"""

SETTINGS = """schema = "mcpolicy/agent/v1"
[device]
id = "LAPTOP-0042"
[policy]
trust_root = "/etc/mcpolicy/root.1.json"
urls = ["https://receiver.example.com:8443/site/"]
poll_seconds = 30
credential_file = "/etc/mcpolicy/fleet.token"
[network]
proxy = "none"
ca_files = ["/etc/mcpolicy/fleet-ca.pem"]
[report]
heartbeat_minutes = 15
[[sink]]
name = "siem"
kind = "https"
url = "https://receiver.example.com:8443/in"
credential_file = "/etc/mcpolicy/fleet.token"
[[sink]]
name = "forwarder"
kind = "file"
path = "/var/log/mcpolicy/records.ndjson"
"""


def policy(*words):
    return must("mcpolicy", "policy", *words, env={**os.environ, "HOME": "/root"})


def publish_first():
    policy("init", REPOSITORY, "--name", "acme", "--contact", "#acme", "--no-passphrase")
    file = REPOSITORY / "policy.toml"
    text = file.read_text().replace("entries = 5, percent = 30", "entries = 100, percent = 100")
    file.write_text(text + RULES)
    policy("sign", REPOSITORY, "--key", KEYS / "policy-1.pem")
    # as often as a head may ask for
    policy("publish", REPOSITORY, "--to", SITE, "--key", KEYS / "online-1.pem", "--poll-interval", "30")


def revoke(package):
    keys = ("--key", KEYS / "emergency-1.pem", "--key", KEYS / "online-1.pem")
    policy("revoke", "--identity", f"npm:{package}", "--reason", "stolen release", *keys, "--to", SITE, "--repository", REPOSITORY)


def make_certificates():
    """A private authority and a certificate of the receiver."""
    name = "receiver.example.com"
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-x509", "-days", "30")
    must(*new, "-subj", "/CN=fleet", "-keyout", TEST / "ca.key", "-out", TEST / "ca.pem")
    of_ca = ("-CA", TEST / "ca.pem", "-CAkey", TEST / "ca.key")
    more = ("-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE")
    must(*new, "-subj", f"/CN={name}", *of_ca, *more, "-keyout", TEST / "key.pem", "-out", TEST / "cert.pem")
    (TEST / "server.pem").write_text((TEST / "cert.pem").read_text() + (TEST / "key.pem").read_text())
    (TEST / "token").write_text("a-token-of-the-test\n")


def drop_settings():
    """What MDM lays down, the settings last."""
    ETC.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "trust/root.1.json", ETC / "root.1.json")
    shutil.copy(TEST / "ca.pem", ETC / "fleet-ca.pem")
    token = ETC / "fleet.token"
    shutil.copy(TEST / "token", token)
    shutil.chown(token, "root", "mcpolicy-ship")
    token.chmod(0o640)
    beside = ETC / "agent.toml.new"
    beside.write_text(SETTINGS)
    beside.rename(ETC / "agent.toml")


def renew_authorities():
    """The same file of authorities, laid down anew. Whoever ships begins anew for it, and at once: its first look after a start is
    at a random moment of five minutes, for which no test waits."""
    shutil.copy(TEST / "ca.pem", ETC / "fleet-ca.pem")
