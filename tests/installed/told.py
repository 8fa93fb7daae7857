"""What the report says, for people: told.py REPORT BOOTS. Ends with 1 where anything is wrong or missing."""

import json
import sys
from pathlib import Path

report = Path(sys.argv[1])
lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
wrong = 0
for line in lines:
    took = "" if line["seconds"] is None else f"{line['seconds']:8.2f} s"
    print(f"{'ok   ' if line['ok'] else 'WRONG'} {line['boot']} {took:>10}  {line['check']}")
    wrong += not line["ok"]
    if line["detail"] and not line["ok"]:
        print("        " + line["detail"].replace("\n", "\n        "))
    elif line["detail"]:
        print("        " + line["detail"].splitlines()[0][:200])
for boot in range(1, int(sys.argv[2]) + 1):
    if not any(line["boot"] == boot and line["check"] == "the checks came to their end" for line in lines):
        print(f"WRONG the checks of boot {boot} did not come to their end")
        wrong += 1
print(f"{len(lines)} checks, {wrong} wrong")
sys.exit(1 if wrong else 0)
