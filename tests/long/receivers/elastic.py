"""Elasticsearch's own core: what it stores, refuses and keeps when it is killed."""

import datetime
import json
import os
import pathlib
import re

from bench import FORMATS, KEY, WORK, Process, Web, fleet, file_sinks, said, same, settings, ship, shipping, told, until, written

PORT = 19200


class Elastic:
    """One node with a data folder that outlives it."""

    def __init__(self):
        home = WORK / "elastic"
        (home / "config").mkdir(parents=True)
        self.ready = home / "ready"
        (WORK / "authorization").write_text(f"ApiKey {KEY}\n")
        log = WORK / "log4j2.properties"
        log.write_text("status = error\nappender.c.type = Console\nappender.c.name = c\nappender.c.layout.type = PatternLayout\n"
                       "appender.c.layout.pattern = %d %p %c %m%n\nrootLogger.level = warn\nrootLogger.appenderRef.c.ref = c\n")
        words = ["java", "-Xmx1g", f"-Dlog4j.configurationFile={log}", "-cp", f"{os.environ['RECEIVERS_CLASSES']}:{os.environ['RECEIVERS_JAR']}",
                 "Elastic", str(PORT), str(home), str(WORK / "ca" / "server.p12"), str(WORK / "ca" / "password"),
                 str(WORK / "authorization"), str(self.ready)]
        self.process = Process("elastic", words)
        self.web = Web(f"https://localhost:{PORT}", f"ApiKey {KEY}")

    def start(self):
        self.ready.unlink(missing_ok=True)
        self.process.start()
        until("Elasticsearch is up", self.ready.exists, seconds=300)
        return self

    def kill(self):
        self.process.kill()

    def all(self, index):
        """Every document of an index by its id, with its version: read by scrolling, not by how it was written."""
        self.web.ask(f"/{index}/_refresh", b"")
        page = self.web.ask(f"/{index}/_search?scroll=2m", {"size": 2000, "version": True, "sort": ["_doc"]})
        found, total = {}, page["hits"]["total"]["value"]
        while page["hits"]["hits"]:
            for hit in page["hits"]["hits"]:
                assert hit["_id"] not in found, f"{index} has {hit['_id']} twice"
                found[hit["_id"]] = hit
            page = self.web.ask("/_search/scroll", {"scroll": "2m", "scroll_id": page["_scroll_id"]})
        counted = self.web.ask(f"/{index}/_count")["count"]
        assert len(found) == counted >= min(total, 10_000), (len(found), counted, total)
        assert all(hit["_version"] == 1 for hit in found.values()), f"{index}: a document was written a second time"
        return {identity: hit["_source"] for identity, hit in found.items()}

    def seen(self, index):
        """What its shards have done since they were opened."""
        answer = self.web.ask(f"/{index}/_stats/indexing", may_fail=True)
        shards = answer["_all"]["primaries"] if answer else {}
        return shards.get("indexing", {"index_total": 0, "index_failed": 0})

    def count(self, index):
        """How many documents are there, 0 while the index is not open."""
        if self.web.ask(f"/{index}/_refresh", b"", may_fail=True) is None:
            return 0
        answer = self.web.ask(f"/{index}/_count", may_fail=True)
        return answer["count"] if answer else 0


def sink(form="native", index=None):
    (WORK / "key").write_text(KEY)
    (WORK / "key").chmod(0o600)
    return {"kind": "elastic", "url": f"https://localhost:{PORT}/", "credential_file": str(WORK / "key"), "format": form,
            "index": index or f"records-{form}"}


def millis(text):
    """Whole milliseconds since 1970, in whole numbers: what is finer is cut off."""
    since = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return since // datetime.timedelta(milliseconds=1)


def as_native(stored):
    """Documents without the time that data streams ask for, which must be the record's own."""
    for document in stored.values():
        assert millis(document.pop("@timestamp")) == millis(document["time"]), document
    return stored


def check_stored(elastic):
    path, records = fleet()
    config = settings({f"elastic-{form}": sink(form) for form in FORMATS} | file_sinks())
    for form in FORMATS:
        sent = records if form == "native" else written(form, path, config)
        assert sent.keys() == records.keys()
        out = ship(config, path, f"elastic-{form}")
        assert out["exit"] == 0 and out["sent"] == len(records) and out["rejected"] == 0, out
        stored = elastic.all(f"records-{form}")
        same(as_native(stored) if form == "native" else stored, sent, f"elastic {form}")
        said(f"elastic {form}: {len(records)} records of {len({r['kind'] for r in records.values()})} kinds are stored under their ids, each as sent")
    before = elastic.seen("records-native")
    out = ship(config, path, "elastic-native")
    after = elastic.seen("records-native")
    assert out["exit"] == 0 and out["sent"] == len(records) and out["rejected"] == 0, out
    assert after["index_failed"] - before["index_failed"] == len(records), (before, after)
    same(as_native(elastic.all("records-native")), records, "a second delivery")
    said(f"elastic: a second delivery was refused {len(records)} times with 409, and nothing was written")


def check_refused(elastic):
    path, records = fleet()
    # what a person of the SIEM may have made: a field of another type than ours
    elastic.web.ask("/conflict", {"mappings": {"properties": {"request": {"properties": {"reason": {"type": "integer"}}}}}}, method="PUT")
    config = settings({"conflict": sink(index="conflict"), "full": sink(index="full")})
    requests = {identity for identity, record in records.items() if record["kind"] == "request"}
    assert requests
    out = ship(config, path, "conflict")
    assert out["exit"] == 1 and out["rejected"] == len(requests) and out["sent"] == len(records) - len(requests), out
    assert "mapper_parsing_exception" in out["why"], out
    rest = {identity: record for identity, record in records.items() if identity not in requests}
    same(as_native(elastic.all("conflict")), rest, "a conflict")
    said(f"elastic: {len(requests)} records that no mapping fits are refused by name, the other {len(rest)} are stored")
    # what Elasticsearch itself sets when its disk is nearly full
    block = {"index.blocks.read_only_allow_delete": True}
    elastic.web.ask("/full", {"settings": block}, method="PUT")
    out = ship(config, path, "full", within=15)
    assert out["exit"] == 1 and not out["whole"] and out["rejected"] == 0 and out["sent"] == 0, out
    elastic.web.ask("/full/_settings", {"index.blocks.read_only_allow_delete": None}, method="PUT")
    out = ship(config, path, "full")
    assert out["exit"] == 0 and out["sent"] == len(records), out
    same(as_native(elastic.all("full")), records, "a full disk")
    said("elastic: an index that is closed to writing for want of room refuses nothing for good; with room all is stored")


def reached(elastic, least, is_within):
    count = elastic.seen("killed")["index_total"] if is_within else elastic.count("killed")
    return count > least and (not is_within or 100 < count % 500 < 400) and count


def check_killed(elastic):
    path, records = fleet()
    config = settings({"killed": sink(index="killed")})
    child, kills, again = shipping(config, path, "killed", within=800), [], 0
    for share, is_within in ((0.2, True), (0.6, False)):
        # within a batch of 500 that is being written, then at any moment
        kills.append(until("a part of it is there", lambda: reached(elastic, share * len(records), is_within), pause=0.005))
        again += elastic.seen("killed")["index_failed"]
        elastic.kill()
        assert child.poll() is None, "it was over before the kill"
        elastic.start()
    out = told(child)
    assert out["exit"] == 0 and out["sent"] == len(records) and out["rejected"] == 0, out
    same(as_native(elastic.all("killed")), records, "killed")
    again += elastic.seen("killed")["index_failed"]
    said(f"elastic: killed within a batch after {kills[0]} writes and again with {kills[1]} of {len(records)} records, and started on the same data: all are there once, as sent; "
         f"{again} came a second time and were refused")


def template():
    text = (pathlib.Path("docs") / "siem" / "elastic.md").read_text()
    found = re.search(r"PUT _index_template/mcpolicy\n(.*?)\n```", text, re.S)
    pivots = re.findall(r"PUT _transform/([a-z-]+)\n(.*?)\n```", text, re.S)
    return json.loads(found[1]), {name: json.loads(body) for name, body in pivots}


def check_template(elastic):
    """The index template and the pivot of docs/siem/elastic.md, as far as 7.0 has them."""
    path, records = fleet()
    wanted, transforms = template()
    # templates of 7.0 have the same mappings in another envelope
    elastic.web.ask("/_template/mcpolicy", {"index_patterns": wanted["index_patterns"], **wanted["template"]}, method="PUT")
    config = settings({"template": sink(index="mcpolicy-records"), "dated": sink(index="mcpolicy-records-dated")})
    # Attack: names that look like days. Guessed from the first record, the field would be a date, and every other record refused
    first = next(record for record in records.values() if record["kind"] == "entry")
    dated = json.loads(json.dumps(first))
    dated["entry"]["name"], dated["entry"]["identity"]["version"], dated["entry"]["args"] = "2026-11-30", "2025", ["2026-01-01"]
    (WORK / "dated.ndjson").write_text(json.dumps(dated) + "\n")
    for what in ("dated.ndjson", "records.ndjson"):
        out = ship(config, WORK / what, "dated")
        assert out["rejected"] == 0, (what, out)
    same(as_native(elastic.all("mcpolicy-records-dated")), records | {dated["id"]: dated}, "names that are dates")
    out = ship(config, path, "template")
    assert out["exit"] == 0 and out["sent"] == len(records), out
    same(as_native(elastic.all("mcpolicy-records")), records, "template")
    fields = elastic.web.ask("/mcpolicy-records*/_field_caps?fields=*")["fields"]
    types = {name: set(kinds) for name, kinds in fields.items() if not name.startswith("_")}
    assert all(len(kinds) == 1 for kinds in types.values()), types
    dates = {name for name, kinds in types.items() if kinds == {"date"}}
    ends = {"policy.expires", "policy.root_expires", "entry.judged.until"}
    assert dates <= {"@timestamp", "time", "from", "to", "request.time"} | ends and {"@timestamp", "time"} <= dates, dates
    assert types["entry.name"] == {"keyword"} and not any("text" in kinds for kinds in types.values())
    said(f"elastic: under the template of docs/siem {len(types)} fields have one type each, names that look like days make none of them a date")
    check_pivot(elastic, records, transforms["mcpolicy-snapshots"])


def check_pivot(elastic, records, transform):
    """7.0 has no transforms: the query, groups and aggregations of the one that counts inventories are asked as a search."""
    pivot = transform["pivot"]
    aggregations = {name: what for name, what in pivot["aggregations"].items() if "bucket_script" not in what}
    composite = {"size": 5000, "sources": [{name: what} for name, what in pivot["group_by"].items()]}
    found, after = {}, None
    while True:
        ask = {"size": 0, "query": transform["source"]["query"],
               "aggregations": {"all": {"composite": composite | ({"after": after} if after else {}), "aggregations": aggregations}}}
        answer = elastic.web.ask("/mcpolicy-records/_search", ask)["aggregations"]["all"]
        for bucket in answer["buckets"]:
            missing = bucket["records"]["value"] + 1 - bucket["all"]["value"]
            found[(bucket["key"]["device"], bucket["key"]["snapshot"])] = (missing, round(bucket["at"]["value"]))
        after = answer.get("after_key")
        if not after:
            break
    counted = {}
    for record in records.values():
        if record["kind"] not in ("inventory", "entry", "finding", "coverage"):
            continue
        of = counted.setdefault((record["device"]["id"], record["snapshot"]), [0, 0, 0])
        of[0] = max(of[0], record.get("records", 0))
        of[1] += 1
        of[2] = max(of[2], millis(record["time"]))
    assert found == {key: (of[0] + 1 - of[1], of[2]) for key, of in counted.items()}
    said(f"elastic: the pivot of docs/siem gives the {len(found)} inventories with what is missing of each, as counted without it")


def checks(parts):
    elastic = Elastic().start()
    try:
        if "elastic" in parts:
            check_stored(elastic)
            check_refused(elastic)
        if "killed" in parts:
            check_killed(elastic)
        if "template" in parts:
            check_template(elastic)
    finally:
        elastic.kill()
