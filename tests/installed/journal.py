"""What the journal of the machine holds of both services."""

import json

import machine as m
from machine import RUN, SHIP

# what a unit that is closed too far looks like
SURPRISES = (
    "status=31/SYS", "SIGSYS", "Permission denied", "Read-only file system", "Operation not permitted", "os error 13", "os error 30",
    "os error 1)", "gave no answer", "killed by signal", "panicked", "not supported", "Unknown key", "Failed to set up",
    "State 'stop-sigterm' timed out",
)
# until `mcpolicy run` has made the folders, the other role is started in vain
EXPECTED = ("`mcpolicy run` makes it", "no trust root")


def check(report):
    lines = [json.loads(line) for line in m.must("journalctl", "-b", "-o", "json", "-u", RUN, "-u", SHIP).splitlines()]
    texts = [(int(line.get("PRIORITY", 6)), line.get("_COMM", ""), str(line.get("MESSAGE"))) for line in lines]
    strange = [text for _, _, text in texts if any(word in text for word in SURPRISES)]
    report.say("the journal of both units tells of nothing that was refused", texts and not strange, None, "\n".join(strange))
    errors = [text for level, by, text in texts if level <= 3 and by == "mcpolicy"]
    errors = [text for text in errors if not any(word in text for word in EXPECTED)]
    report.say("and of no error of the program", not errors, None, "\n".join(errors))
    failed = m.must("systemctl", "--failed", "--no-legend", "--plain").strip()
    report.say("no unit has failed", not failed, None, failed)
