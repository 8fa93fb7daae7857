//! Requests: root's word to its worker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use mcpolicy_clients::edit::{Change, Place};
use mcpolicy_clients::location::Os;
use mcpolicy_clients::template::Layout;
use mcpolicy_platform::machine::{Account, Machine};
use mcpolicy_platform::privileges::{Becoming, UserIds};
use mcpolicy_platform::secure_fs::TempName;
use serde::{Deserialize, Serialize};

use super::aside::WireAside;
use super::{Blob, WirePath, WirePiece, WireSource, bytes_of, no_json, pieces};
use crate::discover::HomeContext;
use crate::discover::changed::Changed;
use crate::worker::aside::Settling;
use crate::worker::core::HomeSpec;
use crate::worker::{Broken, Failure, FileRights, Part, Request};

/// The first frame: who the worker is to become, and which home is its.
#[derive(Serialize, Deserialize)]
pub struct Begin {
    /// User, primary group and further groups; none in root's own home.
    ids: Option<(u32, u32, Vec<u32>)>,
    /// The folder that is taken for a machine.
    root: Option<WirePath>,
    user: String,
    uid: Option<u32>,
    os: String,
    home: WirePath,
    variables: BTreeMap<String, Vec<WirePath>>,
    others: Vec<WirePath>,
    gids: Vec<u32>,
    threads: usize,
}

impl Begin {
    /// For a home, and who is to answer for it.
    pub fn of(spec: &HomeSpec, becoming: &Becoming, threads: usize) -> Self {
        let layout = &spec.home.layout;
        let paths = |paths: &BTreeSet<PathBuf>| paths.iter().map(|path| WirePath::of(path)).collect();
        Self {
            ids: match becoming {
                Becoming::User(ids) => Some((ids.uid, ids.gid, ids.groups.clone())),
                Becoming::Root => None,
            },
            root: (!spec.machine.is_live()).then(|| WirePath::of(&spec.machine.host_path("/".as_ref()))),
            user: spec.home.user.clone(),
            uid: spec.home.uid,
            os: layout.os.as_str().to_owned(),
            home: WirePath::of(&layout.home),
            variables: layout.variables.iter().map(|(name, values)| (name.clone(), paths(values))).collect(),
            others: spec.others.iter().map(|path| WirePath::of(path)).collect(),
            gids: spec.account.gids.iter().copied().collect(),
            threads,
        }
    }

    /// As a frame.
    pub fn encode(&self) -> Vec<u8> {
        bytes_of(self)
    }

    /// From a frame.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map_err(no_json)
    }

    /// Who the worker is to become.
    pub fn becoming(&self) -> Becoming {
        match &self.ids {
            Some((uid, gid, groups)) => {
                Becoming::User(UserIds { uid: *uid, gid: *gid, groups: groups.clone() })
            }
            None => Becoming::Root,
        }
    }

    /// Threads of the walk.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The home.
    ///
    /// # Errors
    /// A path or a system is none.
    pub fn spec(self) -> Result<HomeSpec, Failure> {
        let all = [Os::Linux, Os::Macos, Os::Windows];
        let os = all.into_iter().find(|os| os.as_str() == self.os);
        let os = os.ok_or(Failure::Nonsense("a system that is not known"))?;
        let mut variables = BTreeMap::new();
        for (name, values) in self.variables {
            let values = values.into_iter().map(WirePath::path).collect::<Result<BTreeSet<_>, _>>()?;
            variables.insert(name, values);
        }
        let machine = match self.root {
            Some(root) => Machine::at_root(&root.path()?),
            None => Machine::live(),
        };
        let layout = Layout { os, home: self.home.path()?, variables };
        let others = self.others.into_iter().map(WirePath::path).collect::<Result<_, _>>()?;
        let account = Account { uid: self.uid, gids: self.gids.into_iter().collect() };
        Ok(HomeSpec {
            machine,
            home: HomeContext { user: self.user, uid: self.uid, layout },
            others,
            account,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireRequest {
    Scan { budget_ms: u64, threads: usize, without: Vec<WirePath>, in_background: bool },
    ScanChanged { changed: Vec<WirePath>, without: Vec<WirePath>, in_background: bool },
    Open { source: WireSource, create: bool, part: Part },
    Apply(Vec<WireChange>),
    Propose(Blob),
    Accept,
    Commit { temporary: String, rights: Option<FileRights>, in_place: bool },
    Remove(String),
    Close,
    DigestOf(WireSource),
    Replay(WireBroken),
    Sweep(WireBroken),
    Around(WireSource),
    Kept(WireAside),
    OpenKept { aside: WireAside, path: WirePath },
    Settle(Settling),
    Withdraw(Vec<String>),
    Look(WirePath),
    Hash { path: WirePath, most: u64 },
}

#[derive(Serialize, Deserialize)]
struct WireBroken {
    relative: WirePath,
    temporary: String,
    before: String,
    after: String,
}

impl WireBroken {
    fn of(broken: Broken) -> Self {
        let Broken { relative, temporary, before, after } = broken;
        Self { relative: WirePath::of(&relative), temporary, before, after }
    }

    fn broken(self) -> Result<Broken, Failure> {
        let Self { relative, temporary, before, after } = self;
        Ok(Broken { relative: relative.path()?, temporary, before, after })
    }
}

#[derive(Serialize, Deserialize)]
struct WirePlace {
    key_path: String,
    start: usize,
    end: usize,
}

impl WirePlace {
    fn of(place: &Place) -> Self {
        Self { key_path: place.key_path.clone(), start: place.span.start, end: place.span.end }
    }

    fn place(self) -> Place {
        Place { key_path: self.key_path, span: self.start..self.end }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireChange {
    Remove(WirePlace),
    Replace { at: WirePlace, pieces: Vec<WirePiece> },
    SetText { at: WirePlace, pointer: String, text: String },
    SetFlag { at: WirePlace, pointer: String, value: bool },
    RemoveItem { list: String, value: String },
    AddItem { list: String, value: String },
    RemoveMember { pointer: String },
    Insert { table: String, name: String, pieces: Vec<WirePiece> },
}

impl WireChange {
    fn of(change: Change) -> Self {
        let wired = |pieces: &[mcpolicy_clients::edit::Piece]| pieces.iter().map(WirePiece::of).collect();
        match change {
            Change::Remove(at) => Self::Remove(WirePlace::of(&at)),
            Change::Replace { at, pieces } => {
                Self::Replace { at: WirePlace::of(&at), pieces: wired(&pieces) }
            }
            Change::SetText { at, pointer, text } => Self::SetText { at: WirePlace::of(&at), pointer, text },
            Change::SetFlag { at, pointer, value } => {
                Self::SetFlag { at: WirePlace::of(&at), pointer, value }
            }
            Change::RemoveItem { list, value } => Self::RemoveItem { list, value },
            Change::AddItem { list, value } => Self::AddItem { list, value },
            Change::RemoveMember { pointer } => Self::RemoveMember { pointer },
            Change::Insert { table, name, pieces } => Self::Insert { table, name, pieces: wired(&pieces) },
        }
    }

    fn change(self) -> Result<Change, Failure> {
        Ok(match self {
            Self::Remove(at) => Change::Remove(at.place()),
            Self::Replace { at, pieces: wired } => Change::Replace { at: at.place(), pieces: pieces(wired)? },
            Self::SetText { at, pointer, text } => Change::SetText { at: at.place(), pointer, text },
            Self::SetFlag { at, pointer, value } => Change::SetFlag { at: at.place(), pointer, value },
            Self::RemoveItem { list, value } => Change::RemoveItem { list, value },
            Self::AddItem { list, value } => Change::AddItem { list, value },
            Self::RemoveMember { pointer } => Change::RemoveMember { pointer },
            Self::Insert { table, name, pieces: wired } => {
                Change::Insert { table, name, pieces: pieces(wired)? }
            }
        })
    }
}

/// A request as a frame.
pub fn encode_request(request: Request) -> Vec<u8> {
    bytes_of(&match request {
        Request::Scan { budget, threads, without, in_background } => WireRequest::Scan {
            budget_ms: u64::try_from(budget.as_millis()).unwrap_or(u64::MAX),
            threads,
            without: without.iter().map(|path| WirePath::of(path)).collect(),
            in_background,
        },
        Request::ScanChanged { changed, without, in_background } => WireRequest::ScanChanged {
            changed: changed.paths.iter().map(|path| WirePath::of(path)).collect(),
            without: without.iter().map(|path| WirePath::of(path)).collect(),
            in_background,
        },
        Request::Open { source, create, part } => {
            WireRequest::Open { source: WireSource::of(&source), create, part }
        }
        Request::Apply(changes) => WireRequest::Apply(changes.into_iter().map(WireChange::of).collect()),
        Request::Propose(bytes) => WireRequest::Propose(Blob::of(&bytes)),
        Request::Accept => WireRequest::Accept,
        Request::Commit { temporary, rights, in_place } => {
            WireRequest::Commit { temporary: temporary.as_str().to_owned(), rights, in_place }
        }
        Request::Remove(temporary) => WireRequest::Remove(temporary.as_str().to_owned()),
        Request::Close => WireRequest::Close,
        Request::DigestOf(source) => WireRequest::DigestOf(WireSource::of(&source)),
        Request::Replay(broken) => WireRequest::Replay(WireBroken::of(broken)),
        Request::Sweep(broken) => WireRequest::Sweep(WireBroken::of(broken)),
        Request::Around(source) => WireRequest::Around(WireSource::of(&source)),
        Request::Kept(aside) => WireRequest::Kept(WireAside::of(aside)),
        Request::OpenKept { aside, path } => {
            WireRequest::OpenKept { aside: WireAside::of(aside), path: WirePath::of(&path) }
        }
        Request::Settle(settling) => WireRequest::Settle(settling),
        Request::Withdraw(ids) => WireRequest::Withdraw(ids),
        Request::Look(path) => WireRequest::Look(WirePath::of(&path)),
        Request::Hash { path, most } => WireRequest::Hash { path: WirePath::of(&path), most },
    })
}

/// A request from a frame.
///
/// # Errors
/// It is none of ours.
pub fn decode_request(bytes: &[u8]) -> Result<Request, Failure> {
    let wired: WireRequest = serde_json::from_slice(bytes).map_err(no_json)?;
    Ok(match wired {
        WireRequest::Scan { budget_ms, threads, without, in_background } => Request::Scan {
            budget: Duration::from_millis(budget_ms),
            threads,
            without: without.into_iter().map(WirePath::path).collect::<Result<_, _>>()?,
            in_background,
        },
        WireRequest::ScanChanged { changed, without, in_background } => Request::ScanChanged {
            changed: Changed { paths: changed.into_iter().map(WirePath::path).collect::<Result<_, _>>()? },
            without: without.into_iter().map(WirePath::path).collect::<Result<_, _>>()?,
            in_background,
        },
        WireRequest::Open { source, create, part } => {
            Request::Open { source: source.source(Some(0))?, create, part }
        }
        WireRequest::Apply(changes) => {
            Request::Apply(changes.into_iter().map(WireChange::change).collect::<Result<_, _>>()?)
        }
        WireRequest::Propose(bytes) => Request::Propose(bytes.bytes()?),
        WireRequest::Accept => Request::Accept,
        WireRequest::Commit { temporary: name, rights, in_place } => {
            Request::Commit { temporary: temporary(&name)?, rights, in_place }
        }
        WireRequest::Remove(name) => Request::Remove(temporary(&name)?),
        WireRequest::Close => Request::Close,
        WireRequest::DigestOf(source) => Request::DigestOf(source.source(Some(0))?),
        WireRequest::Replay(broken) => Request::Replay(broken.broken()?),
        WireRequest::Sweep(broken) => Request::Sweep(broken.broken()?),
        WireRequest::Around(source) => Request::Around(source.source(Some(0))?),
        WireRequest::Kept(aside) => Request::Kept(aside.aside()?),
        WireRequest::OpenKept { aside, path } => {
            Request::OpenKept { aside: aside.aside()?, path: path.path()? }
        }
        WireRequest::Settle(settling) => Request::Settle(settling),
        WireRequest::Withdraw(ids) => Request::Withdraw(ids),
        WireRequest::Look(path) => Request::Look(path.path()?),
        WireRequest::Hash { path, most } => Request::Hash { path: path.path()?, most },
    })
}

fn temporary(name: &str) -> Result<TempName, Failure> {
    name.parse().map_err(|_| Failure::Nonsense("a temporary name that is none"))
}
