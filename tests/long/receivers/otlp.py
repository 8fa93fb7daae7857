"""A collector for OpenTelemetry that reads what is sent, and passes it on in its own words."""

import gzip
import http.server
import json
import os
import socket
import threading
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from bench import FORMATS, NOBODY, WORK, Process, fleet, file_sinks, said, same, settings, ship, shipping, told, until, written
from elastic import millis

TLS, ROTEL, KEPT = 19443, 14318, 14319
SEVERITIES = {"critical": 21, "high": 17, "medium": 13, "low": 10}


def nginx():
    """TLS before a collector that has none of its own, as proxies have it."""
    folder = WORK / "nginx"
    folder.mkdir()
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 64; }}
http {{ access_log {folder}/access; client_max_body_size 16m; {temporary}
ssl_certificate {WORK}/ca/server.pem; ssl_certificate_key {WORK}/ca/server.key;
server {{ listen 127.0.0.1:{TLS} ssl; location / {{ proxy_pass http://127.0.0.1:{ROTEL}; }} }} }}
""")
    # one process, so that a kill leaves no worker behind
    return Process("nginx", [os.environ["RECEIVERS_NGINX"], "-c", str(config), "-g", "master_process off;"])


def rotel():
    words = [os.environ["RECEIVERS_ROTEL"], "start", "--otlp-http-endpoint", f"127.0.0.1:{ROTEL}", "--otlp-grpc-endpoint", "127.0.0.1:14317",
             "--exporter", "otlp", "--otlp-exporter-endpoint", f"http://127.0.0.1:{KEPT}", "--otlp-exporter-protocol", "http"]
    return Process("rotel", NOBODY + words)


class Kept:
    """Where the collector passes on what it has read: kept here, read with the official definitions."""

    def __init__(self):
        self.messages = []
        kept = self

        class Taking(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                kept.messages.append(ExportLogsServiceRequest.FromString(body))
                answer = ExportLogsServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", KEPT), Taking)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def clear(self):
        self.messages = []

    def records(self):
        found = []
        for message in list(self.messages):
            for resource in message.resource_logs:
                of_resource = words(resource.resource.attributes)
                for scope in resource.scope_logs:
                    found += [(of_resource, scope.scope, record) for record in scope.log_records]
        return found


def words(attributes):
    assert len({one.key for one in attributes}) == len(attributes), "an attribute twice"
    return {one.key: one.value.string_value for one in attributes}


def check_one(resource, scope, log, record, began):
    """One record of the log against the record that was sent."""
    attributes = words(log.attributes)
    assert attributes == {"log.record.uid": record["id"], "mcpolicy.class": record["class"], "mcpolicy.kind": record["kind"],
                          "mcpolicy.seq": str(record["chain"]["seq"])}, attributes
    device = record["device"]
    wanted = {"service.name": "mcpolicy", "service.version": record["agent"]["version"], "host.id": device["id"],
              "host.name": device.get("hostname"), "host.arch": device.get("arch"), "os.version": device.get("os_version")}
    wanted = {key: value for key, value in wanted.items() if value}
    assert wanted.items() <= resource.items() and resource.keys() - wanted.keys() <= {"os.type"}, resource
    assert scope.name == "mcpolicy" and scope.version, scope
    # some collectors of older definitions drop the name of an event; where it comes it is ours
    assert log.event_name in ("", f"mcpolicy.{record['kind']}"), log.event_name
    assert log.time_unix_nano == millis(record["time"]) * 1_000_000
    assert began <= log.observed_time_unix_nano / 1e9 <= time.time() + 1
    assert log.severity_number in (9, *SEVERITIES.values()) and log.severity_text
    if record["kind"] == "finding" and record["class"] == "state":
        assert log.severity_number == SEVERITIES.get(record["finding"]["severity"], 9), record


def check_form(kept, config, encoding, form, path, records):
    kept.clear()
    began = time.time() - 1
    out = ship(config, path, f"{encoding}-{form}")
    assert out["exit"] == 0 and out["sent"] == len(records) and out["rejected"] == 0, out
    found = until("the collector has passed all on", lambda: (all_of := kept.records()) and len(all_of) >= len(records) and all_of)
    bodies, names = {}, 0
    for resource, scope, log in found:
        identity = words(log.attributes)["log.record.uid"]
        assert identity not in bodies, f"{identity} twice"
        check_one(resource, scope, log, records[identity], began)
        bodies[identity] = json.loads(log.body.string_value)
        names += bool(log.event_name)
    same(bodies, records if form == "native" else written(form, path, config), f"{encoding} {form}")
    said(f"{encoding} {form}: {len(bodies)} records came through the collector, each once, body, attributes, resource, time and severity as sent "
         f"({names} with the event's name)")


def check_killed(kept, collector, config, path, records):
    """A collector that is killed: what it has not answered to is sent again. What it had answered to and held in memory is its own loss."""
    kept.clear()
    child = shipping(config, path, "otlp-native", within=800)
    access = WORK / "nginx" / "access"
    before = access.read_text().count("POST /v1/logs")
    until("some batches", lambda: access.read_text().count("POST /v1/logs") - before >= 5, pause=0.02)
    collector.kill()
    assert child.poll() is None, "it was over before the kill"
    until("the proxy says that nobody is behind it", lambda: '" 502 ' in access.read_text())
    collector.start()
    out = told(child)
    assert out["exit"] == 0 and out["sent"] == len(records) and out["rejected"] == 0, out
    last = list(records)[-1]
    until("the last record", lambda: last in {words(log.attributes)["log.record.uid"] for _, _, log in kept.records()})
    stored, copies = {}, 0
    for _, _, log in kept.records():
        identity = words(log.attributes)["log.record.uid"]
        copies += identity in stored
        body = json.loads(log.body.string_value)
        assert stored.setdefault(identity, body) == body == records[identity]
    said(f"otlp: a collector killed between batches and started again: the proxy's 502 lost nothing on our side, {len(stored)} of {len(records)} "
         f"came out of it, {copies} twice and the same")


def checks():
    path, records = fleet()
    sinks = {f"{kind}-{form}": {"kind": kind, "url": f"https://localhost:{TLS}/", "format": form} for kind in ("otlp", "otlp-json") for form in FORMATS}
    config = settings(sinks | file_sinks(), "otlp.toml")
    for form in FORMATS:
        (WORK / f"written-{form}.ndjson").unlink(missing_ok=True)
    kept, proxy, collector = Kept(), nginx(), rotel()
    try:
        for process in (proxy, collector):
            process.start()
        for port in (TLS, ROTEL):
            until("the collector is up", lambda: socket.create_connection(("127.0.0.1", port)).close() is None)
        for form in FORMATS:
            for encoding in ("otlp", "otlp-json"):
                check_form(kept, config, encoding, form, path, records)
                (WORK / f"written-{form}.ndjson").unlink(missing_ok=True)
        check_killed(kept, collector, config, path, records)
    finally:
        for process in (collector, proxy):
            process.kill()
        kept.close()
