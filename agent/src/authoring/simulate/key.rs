//! Everything that a verdict on a stored entry depends on, as one digest.
//!
//! [`Stored::new`](crate::authoring::stored::Stored::new) reads nothing but the entry, and
//! [`judge`](crate::authoring::stored::Stored::judge) nothing but the policies, the site and the user. A new member of
//! an entry does not compile here until somebody has said whether it plays a part.

use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::evaluate::System;
use mcpolicy_schema::policy::Policy;
use mcpolicy_schema::report::v1;
use mcpolicy_schema::revocations::{Revocation, Revocations, Revoked};
use sha2::{Digest, Sha256};

use crate::authoring::stored::{Site, word};

/// What the policies ask for besides the entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Who and which device.
    people: bool,
}

impl Asked {
    /// What these policies ask for.
    pub(crate) fn by<'p>(
        mut policies: impl Iterator<Item = &'p Policy>,
        revocations: Option<&Revocations>,
    ) -> Self {
        let revoked = revocations.is_some_and(|list| list.document().revocation.iter().any(is_of_people));
        Self { people: revoked || policies.any(|policy| names_people(policy.document())) }
    }
}

/// Whether anything in a policy holds for some users, groups, devices or rings only.
fn names_people(document: &PolicyDocument) -> bool {
    let in_rules = document.rule.iter().any(|rule| {
        !(rule.users.is_empty() && rule.groups.is_empty() && rule.devices.is_empty() && rule.rings.is_empty())
    });
    let in_exceptions = document
        .exception
        .iter()
        .any(|exception| !(exception.users.is_empty() && exception.devices.is_empty()));
    in_rules || in_exceptions
}

/// Whether a revocation takes back all servers of somebody or of a device.
fn is_of_people(revocation: &Revocation) -> bool {
    match revocation.revoked {
        Revoked::Device(_) | Revoked::User(_) | Revoked::Group(_) => true,
        Revoked::Rule(_) | Revoked::Identity(_) | Revoked::Sha256(_) | Revoked::Fingerprint(_) => false,
    }
}

/// The digest; two entries with the same one have the same verdicts.
pub(crate) fn of(entry: &v1::Entry, site: &Site<'_>, asked: Asked) -> [u8; 32] {
    let v1::Entry {
        // Where it stands and what was said of it before.
        id: _,
        source: _,
        key_path: _,
        running: _,
        judged: _,
        name,
        client,
        readers,
        scope,
        user,
        transport,
        identity,
        command,
        args,
        plain_args,
        url,
        plain_url,
        env_keys,
        header_keys,
        values,
        cwd,
        members,
        disabled,
        inert,
        fingerprint,
        project,
        declared_type,
        malformed,
        facts,
    } = entry;
    let mut key = Key { texts: String::with_capacity(512), shape: Vec::with_capacity(64) };
    let words = [scope.as_str(), transport.as_str(), inert.map_or("", |inert| inert.as_str())];
    words.iter().for_each(|word| key.text(word));
    [name, client, fingerprint].iter().for_each(|text| key.text(text));
    // Shown in the answer.
    key.text(&identity.kind);
    key.text(&identity.name);
    for text in [command, url, cwd, project, declared_type, malformed] {
        key.optional(text.as_deref());
    }
    for list in [args, env_keys, header_keys, members] {
        key.list(list);
    }
    key.number(plain_args.len());
    key.shape.extend(plain_args);
    key.flags(&[*plain_url, *disabled]);
    key.number(readers.len());
    for reader in readers {
        key.text(&reader.client);
        key.optional(reader.setting.as_deref());
    }
    key.number(values.len());
    values.iter().for_each(|value| key.value(value));
    key.facts(facts.as_ref());
    key.site(site, user.as_deref().unwrap_or_default(), asked);
    key.digest()
}

/// All texts in a row, and apart from them where each ends and what is there at all.
struct Key {
    texts: String,
    shape: Vec<u32>,
}

/// Stands for a text or list that is absent; none is so long.
const ABSENT: u32 = u32::MAX;

impl Key {
    fn number(&mut self, number: usize) {
        self.shape.push(u32::try_from(number).unwrap_or(ABSENT - 1));
    }

    fn flags(&mut self, flags: &[bool]) {
        self.shape.extend(flags.iter().copied().map(u32::from));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.texts.push_str(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.shape.push(ABSENT),
        }
    }

    fn list(&mut self, list: &[String]) {
        self.number(list.len());
        list.iter().for_each(|text| self.text(text));
    }

    /// The fingerprint of a value plays no part: its kind and references do.
    fn value(&mut self, value: &v1::RedactedValue) {
        let v1::RedactedValue { r#in, name, kind, fingerprint: _, references } = value;
        [r#in, name, kind].iter().for_each(|text| self.text(text));
        match references {
            Some(references) => self.list(references),
            None => self.shape.push(ABSENT),
        }
    }

    fn facts(&mut self, facts: Option<&v1::Facts>) {
        let Some(v1::Facts { program, script, listener }) = facts else { return self.shape.push(ABSENT) };
        for file in [program, script, listener] {
            let Some(v1::FileFacts { path, real_path, sha256, user_writable }) = file else {
                self.shape.push(ABSENT);
                continue;
            };
            self.text(path);
            self.text(real_path);
            self.optional(sha256.as_deref());
            self.flags(&[*user_writable]);
        }
    }

    /// System, home and people. The home is left out where nothing in the entry can mean it, so that the same server
    /// of two users is judged once.
    fn site(&mut self, site: &Site<'_>, user: &str, asked: Asked) {
        let home = site.homes.get(user).copied();
        let mentions = home.is_some_and(|home| mentions_home(&self.texts, home, site.system));
        self.text(word(site.system));
        self.flags(&[home.is_some(), user.is_empty()]);
        self.optional(home.filter(|_| mentions));
        if asked.people {
            self.text(user);
            self.text(site.device);
        }
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.texts.len() as u64).to_le_bytes());
        hash.update(&self.texts);
        let shape: Vec<u8> = self.shape.iter().flat_map(|number| number.to_le_bytes()).collect();
        hash.update(&shape);
        hash.finalize().into()
    }
}

fn mentions_home(texts: &str, home: &str, system: System) -> bool {
    let by_name = ["~", "HOME", "USERPROFILE", "userHome", "{home}"].iter().any(|name| texts.contains(name));
    if by_name {
        return true;
    }
    let home = home.trim_end_matches(['/', '\\']);
    match system {
        System::Linux => texts.contains(home),
        // Case and the form of separators play no part there.
        System::Macos | System::Windows => plain(texts).contains(&plain(home)),
    }
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace('\\', "/").replace("//", "/")
}
