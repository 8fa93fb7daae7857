//! What a client takes in place of the files that are written for it, or together with them.

use mcpolicy_schema::evaluate::System;

use crate::clients::compiler;
use crate::target::{Client, Place};

/// Where macOS keeps what MDM delivers.
const MANAGED: &str = "/Library/Managed Preferences";

/// How another source is recognised on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// This variable is set for the client, by a user, a start file or a project: it leads the client elsewhere.
    Variable(&'static str),
    /// A file of this template of docs/clients.md is there.
    Template(&'static str),
    /// This file of the machine is there.
    File(String),
    /// By nothing on the machine.
    None,
}

/// Another source of what an administrator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// How it is recognised.
    pub sign: Sign,
    /// With the sign it is certain that what is written for the client does not count; else it may be so.
    pub is_certain: bool,
    /// What it is, and what follows, in words for people.
    pub what: &'static str,
}

impl Over {
    pub(crate) fn variable(name: &'static str) -> Self {
        let what = "the client reads the file that this variable names in place of the managed one";
        Self { sign: Sign::Variable(name), is_certain: true, what }
    }

    pub(crate) fn may_be(sign: Sign, what: &'static str) -> Self {
        Self { sign, is_certain: false, what }
    }
}

/// What may win over the files of a client on a system. The sources of the facts are those of docs/native.md.
pub fn over(client: Client, os: System) -> Vec<Over> {
    let compiler = compiler(client);
    let mut all = compiler.over();
    // what a profile of MDM says comes before files; it may be ours, made by `native plan --to`
    for target in compiler.targets(os).into_iter().filter(|target| target.mdm) {
        if let Place::Preferences(domain) = target.place {
            let sign = Sign::File(format!("{MANAGED}/{domain}.plist"));
            let what = "an MDM profile comes before files: it must be the one that `native plan --to` made";
            all.push(Over::may_be(sign, what));
        }
    }
    all
}
