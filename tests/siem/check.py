"""Every gate of docs/siem in SQLite, DuckDB and ClickHouse, on a generated fleet: check.py DOCS FLEET.

The answers must be those of FLEET/key.json, which the plan of the fleet counts without SQL, in every engine. Only ClickHouse is
filled as it is in practice, line by line through the materialized views of schema/clickhouse.sql; each record comes twice, as after
a lost answer. SQLite is the database that mcpolicy-fleet has made (FLEET/fleet.sqlite); its tables must be those of ClickHouse.
"""

import csv
import glob
import json
import re
import sqlite3
import sys
import time
import tomllib
from pathlib import Path

import duckdb
from chdb import session



def statements(text):
    """The statements of a file, without comments."""
    text = re.sub(r"--[^\n]*", "", text)
    return [part for part in text.split(";") if part.strip()]


def tables(schema):
    """Name and columns of every table, with their types."""
    found = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\)(?: WITHOUT ROWID)?;", re.sub(r"--[^\n]*", "", schema), re.S):
        found[name] = [tuple(column.split()[:2]) for column in body.split(",") if column.strip()]
    return found


def value(text, kind):
    return int(text) if kind == "INTEGER" else text


def supplied(folder):
    """What the security team supplies, by table."""
    for table, name in (("offboarded", "offboarded"), ("change_tickets", "tickets"), ("expiries", "expiries")):
        with open(folder / f"{name}.csv", newline="") as file:
            yield table, list(csv.reader(file))[1:]


class ClickHouse:
    name = "ClickHouse"

    def __init__(self, docs, folder, schema):
        self.session = session.Session()
        self.run("CREATE DATABASE mcpolicy")
        self.run("USE mcpolicy")
        # of records with one id one stays, also before they are merged
        self.run("SET final = 1")
        for statement in statements((docs / "schema/clickhouse.sql").read_text()):
            self.run(statement)
        for path in sorted(glob.glob(str(folder / "records/*.ndjson"))) * 2:
            self.run(f"INSERT INTO incoming SELECT line FROM file('{path}', LineAsString, 'line String')")
        for statement in statements((docs / "schema/views.sql").read_text()):
            self.run(statement)
        self.insert = self.put

    def run(self, sql):
        return self.session.query(sql, "JSON")

    def put(self, table, rows, columns):
        def shown(cell, kind):
            return str(int(cell)) if kind == "INTEGER" else "'" + cell.replace("\\", "\\\\").replace("'", "\\'") + "'"

        values = ", ".join("(" + ", ".join(shown(c, k) for c, (_, k) in zip(row, columns)) + ")" for row in rows)
        self.run(f"INSERT INTO {table} VALUES {values}")

    def clear(self, table):
        self.run(f"TRUNCATE TABLE {table}")

    def ask(self, sql):
        return [(row["subject"], float(row["value"])) for row in json.loads(str(self.run(sql)))["data"]]

    def dump(self, table, columns):
        names = ", ".join(name for name, _ in columns)
        data = json.loads(str(self.session.query(f"SELECT {names} FROM {table}", "JSONCompact")))["data"]
        kinds = [kind for _, kind in columns]
        return [tuple(value(cell, kind) for cell, kind in zip(row, kinds)) for row in data]


class Database:
    """SQLite or DuckDB."""

    def __init__(self, name, connection):
        self.name, self.connection = name, connection

    def fill(self, docs, schema, filled):
        # every table of DuckDB has row numbers, and its INTEGER has 32 bits, too few for a time after 2038
        text = (docs / "schema/sqlite.sql").read_text().replace(" WITHOUT ROWID", "").replace(" INTEGER", " BIGINT")
        for statement in statements(text) + statements((docs / "schema/views.sql").read_text()):
            self.connection.execute(statement)
        for table, rows in filled.items():
            self.insert(table, rows, schema[table])

    def insert(self, table, rows, columns):
        if rows:
            marks = ", ".join("?" for _ in columns)
            self.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [list(row) for row in rows])

    def clear(self, table):
        self.connection.execute(f"DELETE FROM {table}")

    def ask(self, sql):
        return [(row[0], float(row[1])) for row in self.connection.execute(sql).fetchall()]


def seconds(window):
    return int(window[:-1]) * {"h": 3600, "d": 86400}[window[-1]]


def answers(engine, docs, gate, now):
    parameters = {"now": now, "since": now - seconds(gate["window"]), **gate.get("parameters", {})}
    engine.clear("parameters")
    engine.insert("parameters", list(parameters.items()), [("name", "TEXT"), ("value", "INTEGER")])
    rows = engine.ask((docs / gate["query"]).read_text())
    assert len({subject for subject, _ in rows}) == len(rows), f"{gate['id']}: a subject is there twice"
    # a row with nothing in it says as much as no row
    return {subject: round(number, 6) for subject, number in rows if number}


def main():
    docs, folder = Path(sys.argv[1]), Path(sys.argv[2])
    key = json.loads((folder / "key.json").read_text())
    gates = tomllib.loads((docs / "gates.toml").read_text())["gate"]
    schema = tables((docs / "schema/sqlite.sql").read_text())
    began = time.monotonic()
    clickhouse = ClickHouse(docs, folder, schema)
    from_records = [table for table in schema if table not in ("parameters", "offboarded", "change_tickets", "expiries")]
    filled = {table: clickhouse.dump(table, schema[table]) for table in from_records}
    lines = sum(1 for path in glob.glob(str(folder / "records/*.ndjson")) for _ in open(path))
    assert len(filled["records"]) == lines, "a record is missing, or one that came twice counts twice"
    sqlite = Database("SQLite", sqlite3.connect(folder / "fleet.sqlite"))
    for table in from_records:
        names = ", ".join(name for name, _ in schema[table])
        ours = sorted(sqlite.connection.execute(f"SELECT {names} FROM {table}").fetchall())
        theirs = sorted(filled[table])
        first = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), None)
        assert len(ours) == len(theirs) and first is None, f"{table} differs between SQLite and ClickHouse: {first}"
    duck = Database("DuckDB", duckdb.connect())
    duck.fill(docs, schema, filled)
    engines = [clickhouse, sqlite, duck]
    for engine in engines:
        for table, rows in supplied(folder):
            engine.insert(table, [[value(c, k) for c, (_, k) in zip(row, schema[table])] for row in rows], schema[table])
    wrong = 0
    for gate in gates:
        wanted = {subject: round(number, 6) for subject, number in key["gates"].get(gate["id"], {}).items()}
        for engine in engines:
            told = answers(engine, docs, gate, key["now"])
            if told != wanted:
                wrong += 1
                print(f"{gate['id']} in {engine.name}: {sorted(told.items())[:5]} is not {sorted(wanted.items())[:5]}")
    spent = time.monotonic() - began
    print(f"{len(gates)} gates in {len(engines)} engines on {key['machines']} machines, {lines} records: {wrong} wrong, {spent:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
