//! An entry, with its raw values.

use mcpolicy_clients::adapters;
use mcpolicy_clients::location::Role;
use mcpolicy_clients::normalise::fault_named;
use mcpolicy_schema::entry::{
    ClientId, Entry, Inert, NamedValue, Position, Reader, Scope, Transport, UNKNOWN_CLIENT,
};
use mcpolicy_schema::sensitive::Sensitive;
use serde::{Deserialize, Serialize};

use crate::worker::Failure;
use crate::worker::core::MAX_BYTES;

#[derive(Serialize, Deserialize)]
pub(super) struct WireEntry {
    name: String,
    client: String,
    readers: Vec<(String, Option<String>)>,
    scope: Scope,
    key_path: String,
    position: (u32, u32),
    span: (usize, usize),
    transport: Transport,
    declared_type: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    url: Option<String>,
    env: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    cwd: Option<String>,
    disabled: bool,
    inert: Option<Inert>,
    members: Vec<(String, String)>,
    malformed: Option<String>,
    project: Option<String>,
}

fn raw(text: &Sensitive) -> String {
    text.expose().to_owned()
}

fn pairs(values: &[NamedValue]) -> Vec<(String, String)> {
    values.iter().map(|value| (value.name.clone(), raw(&value.value))).collect()
}

fn named(values: Vec<(String, String)>) -> Vec<NamedValue> {
    values.into_iter().map(|(name, value)| NamedValue { name, value: value.into() }).collect()
}

/// A variable that a client sets for its servers: the client, its name and its raw value.
pub(super) type WireVariable = (String, String, String);

pub(super) fn wire_variable((client, variable): &(ClientId, NamedValue)) -> WireVariable {
    ((*client).to_owned(), variable.name.clone(), raw(&variable.value))
}

pub(super) fn variable((id, name, value): WireVariable) -> Result<(ClientId, NamedValue), Failure> {
    Ok((client(&id)?, NamedValue { name, value: value.into() }))
}

impl WireEntry {
    pub(super) fn of(entry: &Entry) -> Self {
        let reader = |reader: &Reader| (reader.client.to_owned(), reader.setting.map(str::to_owned));
        Self {
            name: entry.name.clone(),
            client: entry.client.to_owned(),
            readers: entry.readers.iter().map(reader).collect(),
            scope: entry.scope,
            key_path: entry.key_path.clone(),
            position: (entry.position.line, entry.position.column),
            span: (entry.span.start, entry.span.end),
            transport: entry.transport,
            declared_type: entry.declared_type.clone(),
            command: entry.command.as_ref().map(raw),
            args: entry.args.iter().map(raw).collect(),
            url: entry.url.as_ref().map(raw),
            env: pairs(&entry.env),
            headers: pairs(&entry.headers),
            cwd: entry.cwd.as_ref().map(raw),
            disabled: entry.disabled,
            inert: entry.inert,
            members: pairs(&entry.members),
            malformed: entry.malformed.map(str::to_owned),
            project: entry.project.clone(),
        }
    }

    pub(super) fn entry(self) -> Result<Entry, Failure> {
        let (start, end) = self.span;
        if start > end || end > MAX_BYTES as usize {
            return Err(Failure::Nonsense("an entry at a place that is none"));
        }
        // administrators' files are nobody's home, and what is theirs is not edited: no user may claim that
        if self.scope == Scope::Managed {
            return Err(Failure::Nonsense("an entry of administrators in a home"));
        }
        let (line, column) = self.position;
        let malformed = self
            .malformed
            .map(|text| fault_named(&text).ok_or(Failure::Nonsense("a fault of an entry that is not known")));
        Ok(Entry {
            name: self.name,
            client: client(&self.client)?,
            readers: self.readers.into_iter().map(reader).collect::<Result<_, _>>()?,
            scope: self.scope,
            key_path: self.key_path,
            position: Position { line, column },
            span: start..end,
            transport: self.transport,
            declared_type: self.declared_type,
            command: self.command.map(Sensitive::new),
            args: self.args.into_iter().map(Sensitive::new).collect(),
            url: self.url.map(Sensitive::new),
            env: named(self.env),
            headers: named(self.headers),
            cwd: self.cwd.map(Sensitive::new),
            disabled: self.disabled,
            inert: self.inert,
            members: named(self.members),
            malformed: malformed.transpose()?,
            project: self.project,
        })
    }
}

pub(super) fn client(id: &str) -> Result<ClientId, Failure> {
    if id == UNKNOWN_CLIENT {
        return Ok(UNKNOWN_CLIENT);
    }
    let adapter = adapters::by_id(id).ok_or(Failure::Nonsense("a client that is not known"))?;
    Ok(adapter.about().id)
}

fn reader((id, setting): (String, Option<String>)) -> Result<Reader, Failure> {
    let setting = setting.map(|text| setting_named(&id, &text)).transpose()?;
    Ok(Reader { client: client(&id)?, setting })
}

/// A setting on which a location of the client depends.
fn setting_named(id: &str, text: &str) -> Result<&'static str, Failure> {
    let locations = adapters::by_id(id).map_or(&[][..], |adapter| adapter.about().locations);
    let mut settings = locations.iter().filter_map(|location| match location.role {
        Role::ReadsIf(setting) => Some(setting),
        Role::Own | Role::Reads => None,
    });
    settings.find(|known| *known == text).ok_or(Failure::Nonsense("a setting that its client does not have"))
}
