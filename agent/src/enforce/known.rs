//! What a pass knows beyond the files that it acts on: last allowed texts by the users' books, and what stands around
//! a file: who owns it, which switches outside of it there are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use mcpolicy_clients::adapters::by_id;
use mcpolicy_clients::elsewhere::OffSwitch;
use mcpolicy_schema::contradiction;
use mcpolicy_schema::document::PolicyDocument;
use mcpolicy_schema::entry::{ClientId, Entry, Scope, UNKNOWN_CLIENT};

use super::last_allowed::{Book, Caps, LastAllowed, Slot, Standing};
use super::owned::{self, Owner, SwitchFile};
use super::plan::{Known, Switches};
use crate::discover::source::Source;
use crate::inventory::State;
use crate::pipeline::{Ground, Outcome};
use crate::worker::Seen;
use crate::worker::aside::{Around, Aside, Declaration, Keeping};
use crate::worker::homes::Homes;
use crate::{resolve, running};

/// Whether a file, as it was found, lies outside of the home of the user for whom it was.
pub fn is_outside(ground: &Ground, source: &Source) -> bool {
    source.home.is_some_and(|at| !source.path.starts_with(&ground.homes[at].layout.home))
}

/// Books that are open, by their users: what only this process writes need not be read for each look.
pub type Books = BTreeMap<String, Book>;

/// What is known of the homes of a ground. What their workers are asked is asked once.
pub struct Knowledge<'k, 'h> {
    ground: &'k Ground,
    homes: &'k Homes<'h>,
    document: &'k PolicyDocument,
    /// By home.
    books: BTreeMap<usize, Book>,
    around: RefCell<BTreeMap<PathBuf, Option<Rc<Around>>>>,
    switches: RefCell<BTreeMap<(PathBuf, String), Switches>>,
    in_use: RefCell<BTreeMap<(usize, ClientId), bool>>,
}

impl<'k, 'h> Knowledge<'k, 'h> {
    /// Loads the books of all users that are not open. A damaged one is told of, and an empty one takes its place.
    pub fn load(
        vault: &Path,
        ground: &'k Ground,
        homes: &'k Homes<'h>,
        document: &'k PolicyDocument,
        (open, notices): (&mut Books, &mut Vec<String>),
    ) -> Self {
        let mut books = BTreeMap::new();
        for (at, home) in ground.homes.iter().enumerate() {
            // attack: an account of a name that was another's would get that one's secrets by a revert
            let whose = home.uid.map_or_else(|| home.user.clone(), |uid| format!("{} {uid}", home.user));
            let read = open.remove(&whose).map_or_else(|| Book::load(vault, &whose), Ok);
            let book = read.unwrap_or_else(|error| {
                notices.push(format!(
                    "what was last allowed in {} is lost, changed entries are quarantined instead: {error}",
                    home.layout.home.display()
                ));
                Book::new(&whose)
            });
            books.insert(at, book);
        }
        let (around, switches, in_use) = Default::default();
        Self { ground, homes, document, books, around, switches, in_use }
    }

    /// Takes note of everything that was read and judged.
    pub fn note(&mut self, outcome: &Outcome, now: Timestamp) {
        let caps = Caps::default();
        let mut standing: Vec<Vec<Standing>> = outcome.sources.iter().map(|_| Vec::new()).collect();
        for item in outcome.entries.iter().filter(|item| item.entry.client != UNKNOWN_CLIENT) {
            let is_allowed = item.judgement.as_ref().is_some_and(|judgement| judgement.is_allowed());
            let allowed = is_allowed
                .then(|| LastAllowed { fingerprint: item.fingerprint.clone(), pieces: item.text.clone() });
            let source = &outcome.sources[item.source].source;
            standing[item.source].extend(Standing::of(source, &item.entry, allowed));
        }
        for (file, read) in outcome.sources.iter().zip(standing) {
            let book = file.source.home.and_then(|at| self.books.get_mut(&at));
            // what a file holds that cannot be parsed now is not gone
            if let Some(book) = book.filter(|_| file.state == State::Read.as_str()) {
                book.note(&file.source.path.to_string_lossy(), read, &caps, now);
            }
        }
    }

    /// Drops what is too old or too much of what is known, and writes down what was taken note of.
    ///
    /// # Errors
    /// The system refuses.
    pub fn save(&mut self, vault: &Path, now: Timestamp) -> io::Result<()> {
        self.books.values_mut().try_for_each(|book| {
            book.prune(&Caps::default(), now);
            book.save(vault)
        })
    }

    /// The same where something was taken note of. What is too old waits for the next pass.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_changed(&mut self, vault: &Path, now: Timestamp) -> io::Result<()> {
        self.books.values_mut().filter(|book| book.is_changed()).try_for_each(|book| {
            book.prune(&Caps::default(), now);
            book.save(vault)
        })
    }

    /// The books, to be kept open until they are asked for again.
    pub fn into_books(self) -> Books {
        self.books.into_values().map(|book| (book.user().to_owned(), book)).collect()
    }

    /// Lets a plan be made with what is known.
    pub fn with<T>(&self, plan: impl FnOnce(Known<'_>) -> T) -> T {
        plan(Known {
            last_allowed: &|source, entry| self.last_allowed(source, entry),
            switches: &|source, entry| self.switches(source, entry),
            unchanged: &|source| self.around(source).map(|around| around.unchanged).unwrap_or(Duration::ZERO),
            is_outside: &|source| is_outside(self.ground, source),
        })
    }

    fn last_allowed(&self, source: &Source, entry: &Entry) -> Option<LastAllowed> {
        self.books.get(&source.home?)?.last(&Slot::of(source, entry))
    }

    /// What stands around a file; nothing where it is gone, or its home gives no answer.
    fn around(&self, source: &Source) -> Option<Rc<Around>> {
        if let Some(known) = self.around.borrow().get(&source.path) {
            return known.clone();
        }
        let around = self.homes.around(source).ok().map(|around| Rc::new(*around));
        if source.home.is_some_and(|at| self.homes.has_failed(at)) {
            return None;
        }
        self.around.borrow_mut().insert(source.path.clone(), around.clone());
        around
    }

    /// Whether two paths lead to one file.
    pub fn is_same(&self, one: &Source, other: &Source) -> bool {
        let real = |source| self.around(source).map(|around| around.real.clone());
        one.home == other.home && real(one).is_some_and(|path| real(other) == Some(path))
    }

    /// Who owns a file beside its user.
    pub fn owner(&self, source: &Source) -> Option<Owner> {
        self.around(source)?.owner.clone()
    }

    /// An entry as other files of one of its clients name it; nothing where a path cannot be written there.
    pub fn declaration(&self, source: &Source, entry: &Entry, client: ClientId) -> Option<Declaration> {
        self.declared_as(source, (&entry.name, &entry.key_path), (entry.client, entry.scope), client)
    }

    /// The same for an entry that is only known by its name and place, and by its scope as one client reads it.
    pub fn declared_as(
        &self,
        source: &Source,
        (name, key_path): (&str, &str),
        (read_by, scope): (&str, Scope),
        client: ClientId,
    ) -> Option<Declaration> {
        let own = source.readings.iter().find(|reading| reading.adapter.about().id == client);
        // what clients keep by name is about the servers of their usual files
        if own.is_some_and(|reading| reading.location.aside) {
            return None;
        }
        let scope = match own {
            Some(reading) if read_by != client => reading.location.scope,
            _ => scope,
        };
        let around = self.around(source)?;
        let text = |path: &Option<PathBuf>| match path {
            Some(path) if scope == Scope::Project => path.to_str().map(|text| Some(text.to_owned())),
            _ => Some(None),
        };
        Some(Declaration {
            name: name.to_owned(),
            scope,
            key_path: key_path.to_owned(),
            project: text(&around.project)?,
            checkout: text(&around.checkout)?,
            repository: text(&around.repository)?,
        })
    }

    /// Whether the off switches of an entry's clients hold.
    pub fn is_off(&self, source: &Source, entry: &Entry) -> bool {
        self.switches(source, entry) == Switches::Off
    }

    /// Lets the switches of a file's entries be read anew.
    pub fn forget_switches(&self, source: &Source) {
        self.switches.borrow_mut().retain(|(path, _), _| *path != source.path);
    }

    fn switches(&self, source: &Source, entry: &Entry) -> Switches {
        let key = (source.path.clone(), entry.key_path.clone());
        if let Some(known) = self.switches.borrow().get(&key) {
            return known.clone();
        }
        let switches = self.read_switches(source, entry).unwrap_or(Switches::NoUse);
        if source.home.is_some_and(|at| self.homes.has_failed(at)) {
            return switches;
        }
        self.switches.borrow_mut().insert(key, switches.clone());
        switches
    }

    fn read_switches(&self, source: &Source, entry: &Entry) -> Option<Switches> {
        let home = source.home?;
        self.owner(source)?;
        // it stands for many, and no list of names switches all of them off
        if entry.malformed == Some(contradiction::CROWDED) {
            return None;
        }
        let clients = entry.readers.iter().map(|reader| reader.client);
        let declared: BTreeMap<ClientId, Declaration> = clients
            .map(|client| Some((client, self.declaration(source, entry, client)?)))
            .collect::<Option<_>>()?;
        let read = |one: &Declaration, switch: &OffSwitch| {
            let aside = Aside {
                client: switch.client,
                keeping: Keeping::Switch,
                template: switch.keeps.path.clone(),
                declared: vec![one.clone()],
                others: Vec::new(),
            };
            match self.homes.kept(home, &aside) {
                Ok(files) => SwitchFile {
                    free: files.iter().all(|file| file.free),
                    set: files.iter().filter(|file| file.there).map(|file| file.settled).collect(),
                    exists: !files.is_empty(),
                },
                Err(_) => SwitchFile { free: false, set: Vec::new(), exists: true },
            }
        };
        let in_use = |client| self.is_in_use(home, source, client);
        Some(owned::switches(entry, &|client| declared[client].clone(), &in_use, &read))
    }

    /// Whether a client may be used by the owner of a home: something of its own lies there, it runs, or it is installed
    /// where programs are looked for.
    fn is_in_use(&self, home: usize, source: &Source, client: ClientId) -> bool {
        if let Some(known) = self.in_use.borrow().get(&(home, client)) {
            return *known;
        }
        let has_files = self.around(source).is_none_or(|around| around.clients.contains(&client));
        let in_use = has_files || self.runs(home, client) || self.is_installed(home, client);
        if !self.homes.has_failed(home) {
            self.in_use.borrow_mut().insert((home, client), in_use);
        }
        in_use
    }

    fn runs(&self, home: usize, client: ClientId) -> bool {
        let uid = self.ground.homes[home].uid;
        let running = running::clients(self.ground.processes.as_deref().unwrap_or_default());
        running
            .iter()
            .any(|one| one.adapter.about().id == client && (uid.is_none() || one.process.uid == uid))
    }

    fn is_installed(&self, home: usize, client: ClientId) -> bool {
        let layout = &self.ground.homes[home].layout;
        let names = by_id(client).map_or(&[][..], |adapter| adapter.about().processes);
        let candidates = resolve::programs(&self.document.policy.search_path, layout, names);
        candidates
            .iter()
            .any(|path| matches!(resolve::Look::program(self.homes, Some(home), path), Seen::Program(_)))
    }
}
