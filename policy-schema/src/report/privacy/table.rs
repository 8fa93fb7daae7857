//! The table: one line for each member of a record. Whoever adds a member to a record decides here what becomes of it.

use super::field::{self, Field, Holds, Retention, Row};

const fn number(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Number, purpose)
}
const fn place(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Place, purpose)
}
const fn word(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Word, purpose)
}
const fn id(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Id, purpose)
}
const fn digest(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Fingerprint, purpose)
}
const fn time(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Time, purpose)
}
const fn user(purpose: &'static str) -> Field {
    Field::new("user", Holds::User, purpose)
}
const fn named(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Named, purpose)
}
const fn text(name: &'static str, purpose: &'static str) -> Field {
    Field::new(name, Holds::Text, purpose)
}
const fn part(name: &'static str, fields: &'static [Field], purpose: &'static str) -> Field {
    Field::new(name, Holds::Part(fields), purpose)
}

/// What every record has.
pub const COMMON: &[Field] = &[
    word("schema", "says by which contract to read the record"),
    Field::new("id", Holds::Device, "lets a receiver drop a second copy; has the id of the device in it"),
    word("class", "says how urgent the record is"),
    part("device", DEVICE, "tells machines apart"),
    part("agent", AGENT, "tells which version of the agent speaks"),
    part("chain", CHAIN, "proves that no record was lost or changed on the way"),
    time("time", "orders what happened"),
    word("privacy", "tells the tier in which the record left"),
    word("kind", "says what the record is about"),
    word("left_out[]", "tells which members are not whole, where the record would have been too long"),
];

const DEVICE: &[Field] = &[
    Field::new("id", Holds::Device, "counts machines and finds one that must be seen to"),
    Field::new("hostname", Holds::Host, "finds the machine in other inventories"),
    word("os", "tells which paths and layers there are"),
    Field::new("os_version", Holds::System, "tells which protections the system has"),
    word("arch", "tells which build of the agent runs"),
    named("groups[]", "compares teams, as settings name them"),
];

const AGENT: &[Field] = &[
    word("name", "is always `mcpolicy`"),
    Field::new("version", Holds::Version, "finds agents that are out of date"),
];

const CHAIN: &[Field] = &[
    id("epoch", "tells when a machine lost its records"),
    number("seq", "shows a record that is missing"),
    digest("prev", "shows a record that was changed"),
];

const HEARTBEAT: &[Field] = &[
    word("state", "tells whether the machine is in order"),
    word("mode", "tells whether the policy acts here"),
    word("ceiling", "tells a machine that lets no policy act"),
    part("policy", POLICY, "tells which policy is in force"),
    part("layers[]", LAYER, "tells which protections are on"),
    part("verdicts", VERDICTS, "counts servers by verdict"),
    number("open", "counts servers that are not allowed and would start"),
    number("running", "counts servers that are not allowed and run"),
    number("restart_needed", "counts clients that still have an old configuration"),
    number("watches", "tells how much is watched"),
    text("degraded", "tells why not everything is watched"),
    text("problems[]", "tells what to repair on the machine"),
    time("last_rescan", "tells how old the picture is"),
    number("requests", "counts requests that wait for an answer"),
    id("waiting[]", "tells which requests were answered or withdrawn"),
    part("chains[]", CHAIN_END, "proves that the end of another class was not held back"),
];

const CHAIN_END: &[Field] = &[
    word("class", "names the class"),
    id("epoch", "tells which of its chains"),
    number("seq", "is the number of its last record"),
];

const LAYER: &[Field] = &[word("name", "names the protection"), word("state", "tells whether it is on")];

const VERDICTS: &[Field] = &[
    number("allow", "counts what is allowed"),
    number("deny", "counts what is denied"),
    number("unknown", "counts what could not be judged"),
];

const POLICY: &[Field] = &[
    named("name", "tells policies apart").needed(),
    number("sequence", "finds machines with an old policy"),
    number("signed", "finds machines with a draft"),
    digest("sha256", "tells policies apart beyond doubt"),
    word("mode", "tells whether the policy acts here"),
    named("ring", "tells which share of the fleet the machine is in"),
    number("revocations", "finds machines that a revocation has not reached"),
    word("staleness", "finds machines that get no policy any more"),
    named("ticket", "joins it to the change under which it was signed"),
    time("expires", "tells when another has to be signed"),
    time("stale_at", "tells how long the machine can do without news"),
    time("root_expires", "tells when another trust root has to be signed"),
    text("notices[]", "warns whoever reads the verdicts"),
];

const INVENTORY: &[Field] = &[
    id("snapshot", "joins the records of one inventory"),
    word("cause", "tells why it was taken"),
    part("policy", POLICY, "tells by which policy was judged"),
    part("summary", SUMMARY, "counts what there is"),
    number("records", "shows whether all of it arrived"),
];

const SUMMARY: &[Field] = &[
    number("entries", "counts declared servers"),
    number("live", "counts servers that a client would load"),
    number("inert", "counts servers that none would load"),
    number("running", "counts servers that run"),
    number("distinct", "counts different servers"),
    number("sources", "counts files that declare servers"),
    part("findings", SEVERITIES, "counts findings by severity"),
    number("gaps", "counts what could not be seen"),
    part("verdicts", VERDICTS, "counts servers by verdict"),
];

const SEVERITIES: &[Field] = &[
    number("critical", "counts findings"),
    number("high", "counts findings"),
    number("medium", "counts findings"),
    number("low", "counts findings"),
    number("info", "counts findings"),
];

const SNAPSHOT: Field = id("snapshot", "joins the records of one inventory");

const ENTRY: &[Field] = &[
    id("id", "joins findings to the server in this inventory"),
    named("name", "is how the user knows the server").needed(),
    word("client", "tells which client the file belongs to"),
    part("readers[]", READER, "tells which clients would start it"),
    word("scope", "tells who declared it: an administrator, the user, a project"),
    user("tells whom to ask and to help"),
    part("source", LOCATION, "finds the declaration"),
    text("key_path", "finds the declaration in its file").needed(),
    word("transport", "tells whether it is a program or a connection"),
    part("identity", IDENTITY, "tells what would run or be contacted"),
    text("command", "shows what would run; secrets are cut out before"),
    text("args[]", "shows with what; secrets are cut out before"),
    place("plain_args[]", "helps to write a rule for it"),
    text("url", "shows what would be contacted; secrets are cut out before"),
    number("plain_url", "helps to write a rule for it"),
    text("env_keys[]", "shows which variables are set, never to what"),
    text("header_keys[]", "shows which headers are sent, never what is in them"),
    part("values[]", VALUE, "finds credentials in files, never their values"),
    text("cwd", "shows in which folder it runs"),
    text("members[]", "names other settings that change what runs"),
    number("disabled", "tells whether it is switched off"),
    number("running", "tells whether it runs"),
    word("inert", "tells why no client loads it"),
    digest("fingerprint", "finds the same server on other machines"),
    part("judged", JUDGED, "tells what the policy says of it"),
    named("project", "tells for which project it is"),
    text("declared_type", "shows a declaration that contradicts itself"),
    text("malformed", "tells what is wrong with the declaration"),
    part("facts", FACTS, "tells which files it would run"),
];

const READER: &[Field] = &[
    word("client", "tells which client would start it"),
    text("setting", "names the setting on which that depends"),
];

const LOCATION: &[Field] = &[
    named("path", "names the file").needed(),
    place("line", "finds the place in the file"),
    place("column", "finds the place in the file"),
    place("start", "finds the place in the file"),
    place("end", "finds the place in the file"),
];

const IDENTITY: &[Field] = &[
    word("kind", "tells a package, an image, a program or an address"),
    named("name", "names what would run or be contacted").needed(),
    Field::new("version", Holds::Version, "finds versions with a known fault"),
    number("pinned", "tells whether somebody else chooses the version"),
];

const VALUE: &[Field] = &[
    word("in", "tells a variable from a header"),
    named("name", "names the variable or header").needed(),
    word("kind", "tells which credential it is, so that it can be changed"),
    digest("fingerprint", "finds the same credential elsewhere; keyed, so it cannot be guessed"),
    text("references[]", "shows that a value is kept elsewhere"),
];

const JUDGED: &[Field] = &[
    word("verdict", "tells whether it is allowed"),
    word("decided_by", "tells which list decided"),
    id("rule", "tells which rule decided"),
    word("reason", "tells why it is not allowed"),
    text("detail", "says why in words"),
    Field::new("pin", Holds::Version, "tells which version would be allowed"),
    id("alternatives[]", "tells what is offered instead"),
    part("trace[]", TRIED, "tells why other rules did not admit it"),
    text("contact", "tells whom to ask"),
    time("until", "tells when what allows it ends"),
    named("ticket", "joins it to the change under which it was allowed"),
];

const TRIED: &[Field] = &[
    id("rule", "tells which rule was asked"),
    word("reason", "tells why it did not admit it"),
    text("detail", "says why in words").needed(),
];

const FACTS: &[Field] = &[
    part("program", FILE, "tells which program would run"),
    part("script", FILE, "tells which script would run"),
    part("listener", FILE, "tells which program answers on a local port"),
];

const FILE: &[Field] = &[
    named("path", "names the file").needed(),
    named("real_path", "names the file behind links").needed(),
    digest("sha256", "tells which version of the file it is"),
    number("user_writable", "tells whether it can be swapped without an administrator"),
];

const GAP: &[Field] = &[
    word("kind", "tells what could not be seen"),
    text("reason", "says why in words").needed(),
    named("path", "tells where"),
    number("count", "tells how much"),
    user("tells whose it is"),
    number("partial", "tells whether servers may have been missed"),
];

const FINDING: &[Field] = &[
    word("code", "tells what is wrong"),
    word("severity", "orders what to do first"),
    text("message", "says what was seen").needed(),
    text("remedy", "says what to do").needed(),
    id("entry", "joins it to the server"),
    named("name", "is how the user knows the server"),
    user("tells whom to ask and to help"),
    part("source", LOCATION, "finds the place"),
    word("verdict", "tells whether it is allowed"),
    part("judged", JUDGED, "tells what the policy says of a server that is declared nowhere"),
];

const ACTION: &[Field] = &[
    word("action", "tells what was done to a file"),
    word("outcome", "tells whether it was done"),
    word("layer", "tells which protection did it"),
    named("server", "is how the user knows the server").needed(),
    word("client", "tells which client it was taken from"),
    user("tells whom to help"),
    named("path", "names the file").needed(),
    digest("fingerprint", "finds the same server on other machines"),
    part("identity", IDENTITY, "tells what would have run or been contacted"),
    word("code", "tells why"),
    id("rule", "tells which rule decided"),
    text("detail", "says why in words"),
    id("block", "finds the original, to put it back"),
    number("journal", "finds the record on the machine"),
];

const REQUEST: &[Field] = &[
    id("id", "lets the security team answer it"),
    time("time", "tells how long it waits"),
    user("tells who gets the answer"),
    Field::new("device", Holds::Device, "tells for which machine it is asked"),
    digest("fingerprint", "gathers requests for the same server"),
    part("identity", IDENTITY, "tells what is asked for"),
    named("name", "is how the user knows the server").needed(),
    word("client", "tells for which client it is asked"),
    text("reason", "says why it is needed, in the user's own words"),
    part("entry", ENTRY, "shows the server that is asked for"),
];

const EVENT: &[Field] = &[
    word("code", "tells what happened"),
    user("tells whom it is about"),
    named("server", "names the server that it is about"),
    word("layer", "tells which protection saw or did it"),
    word("client", "tells which client runs the server"),
    part("identity", IDENTITY, "tells what the server runs or contacts"),
    digest("fingerprint", "finds the same server on other machines"),
    word("reason", "tells why it is not allowed"),
    id("rule", "tells which rule decided"),
    text("detail", "says what happened in words").needed(),
    number("count", "tells how often"),
    time("from", "tells since when"),
    time("to", "tells until when"),
    number("journal", "finds the record on the machine"),
];

const TOOL_CALL: &[Field] = &[
    user("tells whom to ask and to help"),
    word("client", "tells which client called"),
    id("session", "joins the calls of one session, and finds it in the client's own log"),
    id("call", "finds the call in the client's own log"),
    named("server", "names the server that was called").needed(),
    part("identity", IDENTITY, "tells what the server runs or contacts"),
    digest("fingerprint", "finds the same server on other machines"),
    named("tool", "names the tool that was called").needed(),
    digest("input", "finds the same call elsewhere; keyed, so arguments cannot be guessed"),
    word("decision", "tells whether it was let through"),
    word("reason", "tells why it is not allowed"),
    id("rule", "tells which rule decided"),
    word("result", "tells how it ended, never what came back"),
    number("latency_ms", "tells how long it took"),
];

const LOSS: &[Field] = &[
    word("of", "tells which records were lost"),
    id("epoch", "tells in which chain"),
    number("first", "tells which records were lost"),
    number("last", "tells which records were lost"),
    number("count", "counts them"),
    word("reason", "tells why"),
];

/// What each kind of record has beside [`COMMON`], by the word of its `kind`.
pub const BODIES: &[(&str, &[Field])] = &[
    ("heartbeat", HEARTBEAT),
    ("inventory", INVENTORY),
    ("entry", &[SNAPSHOT, part("entry", ENTRY, "shows one declared server")]),
    (
        "coverage",
        &[SNAPSHOT, part("gap", GAP, "shows what could not be seen, so that nobody takes it for nothing")],
    ),
    ("finding", &[SNAPSHOT, part("finding", FINDING, "shows what is worth looking at")]),
    ("action", ACTION),
    ("request", &[part("request", REQUEST, "is sent because a user asked for a server")]),
    ("event", EVENT),
    ("tool-call", TOOL_CALL),
    ("gap", LOSS),
];

/// The members of a kind of record.
pub(super) fn body(kind: &str) -> Option<&'static [Field]> {
    BODIES.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields)
}

/// The whole table, a line for each member and for each part that members are in.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    field::flatten("", Retention::Days400, COMMON, &mut rows);
    for (kind, fields) in BODIES {
        // The next inventory replaces the one before; what lasts is what happened.
        let is_state = ["heartbeat", "inventory", "entry", "source", "coverage"].contains(kind);
        let most = if is_state { Retention::Days90 } else { Retention::Days400 };
        field::flatten(kind, most, fields, &mut rows);
    }
    rows
}
