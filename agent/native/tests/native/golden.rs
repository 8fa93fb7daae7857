//! What is compiled of a rich policy for every client and system, to be read by people.

use std::fmt::Write as _;

use mcpolicy_native::{Client, Compiled, Format, Target, mdm};
use mcpolicy_schema::evaluate::{Context, Facts, System};

use crate::sample::{HOME, Machine, entries, locked, now, rich};

fn text(target: &Target, bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "(not there)\n".to_owned() };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap().replace("\r\n", "\n")
        }
        _ => String::from_utf8(bytes.to_vec()).unwrap(),
    };
    if target.format == Format::Toml { text } else { format!("{}\n", text.trim_end()) }
}

fn shown(compiled: &Compiled) -> String {
    let mut out = String::new();
    for output in &compiled.outputs {
        writeln!(out, "== {}", output.target.place).unwrap();
        out.push_str(&text(&output.target, output.bytes.as_deref()));
    }
    for one in &compiled.inexpressible {
        let sign = if one.blocks { "!" } else { "-" };
        let what = serde_json::to_value(one.what).unwrap();
        writeln!(out, "{sign} {} {}: {}", one.rule, what.as_str().unwrap(), one.why).unwrap();
    }
    for conflict in &compiled.conflicts {
        writeln!(out, "conflict at {}{}: {}", conflict.place, conflict.key, conflict.what).unwrap();
    }
    if let Some(hook) = &compiled.hook {
        writeln!(out, "hook {} (fails open: {})", hook.command, hook.fails_open).unwrap();
    }
    out
}

fn machine(system: System) -> Machine {
    let policy = rich();
    let program = match system {
        System::Linux => "/usr/lib/mcpolicy/mcpolicy",
        System::Macos => "/Library/Application Support/mcpolicy/mcpolicy",
        System::Windows => "C:\\Program Files\\mcpolicy\\mcpolicy.exe",
    };
    let base = Machine::new(&policy, &entries());
    Machine { system, program: Some(program.to_owned()), ..base }
}

const SYSTEMS: [(System, &str); 3] =
    [(System::Linux, "linux"), (System::Macos, "macos"), (System::Windows, "windows")];

#[test]
fn each_client_gets_the_policy_in_its_own_words() {
    let policy = rich();
    for (system, word) in SYSTEMS {
        let machine = machine(system);
        for client in Client::ALL {
            let compiled = machine.compile(&policy, client);
            insta::assert_snapshot!(format!("{}-{word}", client.id()), shown(&compiled));
        }
    }
}

#[test]
fn locks_are_added_where_a_client_has_a_key_for_them() {
    let policy = locked(
        "approvals = \"ask\"\n[policy.native.default]\nplugins = \"locked\"\nflags = \"locked\"\n\
         connectors = \"locked\"\nexclusive = true\n",
    );
    let machine = machine(System::Linux);
    for client in Client::ALL {
        let compiled = machine.compile(&policy, client);
        insta::assert_snapshot!(format!("{}-locks", client.id()), shown(&compiled));
    }
}

#[test]
fn mdm_gets_registry_values_and_preferences() {
    let policy = locked("[policy.native.default]\nplugins = \"locked\"\n");
    for (system, word) in [(System::Macos, "macos"), (System::Windows, "windows")] {
        let machine = machine(system);
        let facts = Facts::default();
        let context = Context { system, home: Some(HOME), facts: &facts, ..Context::bare(now()) };
        for client in Client::ALL {
            let files = mdm(client, &machine.input(&policy, &context)).unwrap();
            let mut out = String::new();
            for file in files {
                writeln!(out, "== {} for {}", file.name, file.place).unwrap();
                let format = if file.name.ends_with(".toml") { Format::Toml } else { Format::Values };
                let target = Target { place: file.place.clone(), format, own: false, mdm: true, beside: &[] };
                out.push_str(&text(&target, Some(&file.bytes)));
            }
            insta::assert_snapshot!(format!("{}-mdm-{word}", client.id()), out);
        }
    }
}
