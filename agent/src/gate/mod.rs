//! The gate of Linux: whoever opens a client's file in a folder that is held waits until the file is checked.
//!
//! The mechanism is `platform/gate`, which knows nothing of policy. Here stands which folders are held ([`folders`]), which
//! names matter ([`names`]), and when the gate is on ([`Keeper`]). What is answered is the daemon's to say, by the same look
//! as after any other change (`daemon/gate.rs`).

pub mod folders;
pub mod names;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mcpolicy_platform::gate::{self, Gate, Lack, Late, PATIENCE, Question, Start, Told, Unmarked, Word};
use mcpolicy_platform::{privileges, users};

use crate::board::GateStands;

/// The hidden command that is holder and answering process.
pub const COMMAND: &str = "gate";
/// Files that are waited for at a time, as far as an edit has to know.
const MOST: usize = 1024;

/// Files of this host that somebody waits to read, at this moment.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Option<Arc<Mutex<BTreeMap<PathBuf, Instant>>>>);

impl Waiting {
    fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether there is no gate.
    pub fn is_nobody(&self) -> bool {
        self.0.is_none()
    }

    /// Whether somebody waits for this file.
    pub fn has(&self, path: &Path) -> bool {
        let Some(all) = &self.0 else { return false };
        let all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(path).is_some_and(|since| since.elapsed() < PATIENCE)
    }

    fn note(&self, path: &Path) {
        let Some(all) = &self.0 else { return };
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, since| since.elapsed() < PATIENCE);
        }
        if all.len() < MOST {
            all.insert(path.to_owned(), Instant::now());
        }
    }
}

/// What the policy in force, the mode and the ceiling want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// No gate.
    No,
    /// One, but not while this holds.
    Not(&'static str),
    /// One.
    Yes(Late),
}

/// Keeps the gate as it is wanted. It outlasts a session: nobody is let through while the next begins.
#[derive(Default)]
pub struct Keeper {
    gate: Option<Gate>,
    waiting: Waiting,
    late: Option<Late>,
    lack: Option<String>,
    /// Folders that ought to be held and cannot be.
    unmarked: Vec<(PathBuf, Unmarked)>,
}

impl Keeper {
    /// Opens it, closes it or leaves it. `tell` hears of who waits, with the moment from which he does.
    pub fn settle(&mut self, wanted: Wanted, tell: impl Fn(Instant, Told) + Send + 'static) {
        let late = match wanted {
            Wanted::Yes(late) => late,
            Wanted::No => return self.close(None),
            Wanted::Not(why) => return self.close(Some(why.to_owned())),
        };
        if !users::is_privileged() {
            return self.close(Some("only the agent of root can have it".to_owned()));
        }
        if let Some(gate) = &self.gate {
            if self.late != Some(late) {
                gate.late(late);
            }
            // what was in order by another policy may not be by this one
            gate.forget();
        } else {
            let waiting = Waiting::new();
            self.waiting = waiting.clone();
            let opened = open(late, move |told| {
                if let Told::Question(question) = &told {
                    waiting.note(&question.path);
                }
                tell(Instant::now(), told);
            });
            match opened {
                Ok(gate) => self.gate = Some(gate),
                Err(lack) => return self.close(Some(format!("{lack}; `mcpolicy doctor` says what to do"))),
            }
        }
        (self.late, self.lack) = (Some(late), None);
    }

    fn close(&mut self, lack: Option<String>) {
        *self = Self { lack, ..Self::default() };
    }

    /// Holds opens in these folders of this host, each its user's, and in no others.
    pub fn hold(&mut self, folders: &[(PathBuf, u32)]) {
        if let Some(gate) = &mut self.gate {
            self.unmarked = gate.hold(folders);
            // one that went again in this moment has nobody who opens anything in it
            self.unmarked.retain(|(_, why)| *why != Unmarked::NoFolder);
        }
    }

    /// Files of these names matter too, whatever clients call theirs.
    pub fn names<'n>(&self, names: impl Iterator<Item = &'n OsStr>) {
        if let Some(gate) = &self.gate {
            gate.names(&names.filter(|name| !names::is_known(name)).collect::<Vec<_>>());
        }
    }

    /// Where a file that somebody waits for is, in the folders that are held.
    pub fn places_of(&self, question: &Question) -> Vec<PathBuf> {
        self.gate.as_ref().map(|gate| gate.places_of(question)).unwrap_or_default()
    }

    /// Answers.
    pub fn answer(&self, id: u64, word: Word) {
        if let Some(gate) = &self.gate {
            gate.answer(id, word);
        }
    }

    /// This one is looked at now, and is given more time.
    pub fn taken_up(&self, id: u64) {
        if let Some(gate) = &self.gate {
            gate.taken_up(id);
        }
    }

    /// A pass or a look begins, or is over: who comes meanwhile is given more time.
    pub fn busy(&self, is_so: bool) {
        if let Some(gate) = &self.gate {
            gate.busy(is_so);
        }
    }

    /// Everything is asked anew.
    pub fn forget(&self) {
        if let Some(gate) = &self.gate {
            gate.forget();
        }
    }

    /// Who waits, for whoever edits.
    pub fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.gate.is_some()
    }

    /// How it stands, for the status. Of folders only how many: their names are their users'.
    pub fn stands(&self) -> GateStands {
        let why = self.lack.clone().or_else(|| {
            let (_, first) = self.unmarked.first()?;
            Some(format!("{} folders are not held, the first because {first}", self.unmarked.len()))
        });
        GateStands { in_force: self.is_on(), why, folders: self.gate.as_ref().map_or(0, Gate::folders) }
    }
}

fn open(late: Late, tell: impl Fn(Told) + Send + 'static) -> Result<Gate, Lack> {
    gate::ability()?;
    let program = privileges::own_program();
    let program = program.map_err(|error| Lack::Refused(error.raw_os_error().unwrap_or_default()))?;
    Gate::open(Start { program: &program, args: &[OsStr::new(COMMAND)] }, late, tell)
}

/// Is holder and answering process, until the agent is gone.
///
/// # Errors
/// It was not started as a gate is.
pub fn serve() -> anyhow::Result<()> {
    let names = names::Names::of_all_clients();
    Ok(gate::serve(&|path| names.matter(path))?)
}
