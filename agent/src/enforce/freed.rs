//! Off switches of servers that are declared nowhere any more. Such a switch stays, so that the server is off should it
//! come again (a branch of Git that has it), until it takes an allowed server of the same name along.

use std::collections::BTreeMap;

use mcpolicy_schema::entry::ClientId;

use super::aside::plain_name;
use crate::pipeline::Outcome;

/// Names that nothing denied has any more, where something allowed has them.
#[derive(Debug, Default)]
pub enum Freed {
    /// None: nobody has looked at all that is declared.
    #[default]
    Unknown,
    /// By home, client and name as widely as any client compares it: whether all that has the name is allowed.
    Names(BTreeMap<(usize, ClientId, String), bool>),
    /// Somebody asks for this very item to be undone.
    ByHand,
}

impl Freed {
    /// By what a whole pass has judged.
    pub fn of(outcome: &Outcome) -> Self {
        let mut names = BTreeMap::new();
        for item in &outcome.entries {
            let Some(home) = outcome.sources[item.source].source.home else { continue };
            let is_allowed = item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
            for reader in &item.entry.readers {
                let key = (home, reader.client, plain_name(&item.entry.name));
                *names.entry(key).or_insert(true) &= is_allowed;
            }
        }
        Self::Names(names)
    }

    /// Whether the switch of a server that is declared nowhere is to be taken back.
    pub fn has(&self, home: usize, client: &str, name: &str) -> bool {
        match self {
            Self::Unknown => false,
            Self::ByHand => true,
            Self::Names(names) => names.iter().any(|((at, of, known), allowed)| {
                *allowed && *at == home && *of == client && *known == plain_name(name)
            }),
        }
    }
}
