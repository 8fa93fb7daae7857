//! Follows a path component by component, so that links lead inside the root and every strange file is seen, not opened.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::{Machine, ReadError, os};

/// As many links as the Linux kernel follows.
const MAX_LINKS: usize = 40;

/// Where a path led.
pub(super) struct Walked {
    /// The path on the machine, without links.
    pub(super) path: PathBuf,
    /// Whether a link was followed.
    pub(super) followed: bool,
    /// What stands there; never a link.
    pub(super) metadata: Metadata,
}

/// One step still to go.
struct Step {
    /// The name to go down to; `None` goes up.
    name: Option<OsString>,
    /// Whether a link's target named it: if it is missing, the link dangles.
    from_link: bool,
}

fn steps(path: &Path, from_link: bool) -> impl Iterator<Item = Step> {
    let steps = path.components().filter_map(move |component| match component {
        Component::ParentDir => Some(Step { name: None, from_link }),
        Component::Normal(name) => Some(Step { name: Some(name.to_owned()), from_link }),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    // they are taken from the end of a list
    steps.collect::<Vec<_>>().into_iter().rev()
}

impl Machine {
    pub(super) fn walk(&self, path: &Path) -> Result<Walked, ReadError> {
        self.walk_telling(path, &mut |_, _| {})
    }

    /// The walk, telling each directory, link and file that it comes by.
    pub(super) fn walk_telling(
        &self,
        path: &Path,
        tell: &mut dyn FnMut(&Path, &Metadata),
    ) -> Result<Walked, ReadError> {
        let live = self.is_live();
        if !live && is_of_process(path) {
            return Err(ReadError::OfProcess);
        }
        let mut at = os::top(path, live)?;
        let mut todo: Vec<Step> = steps(path, false).collect();
        let mut last: Option<Metadata> = None;
        let mut links = 0;
        while let Some(Step { name, from_link }) = todo.pop() {
            if last.as_ref().is_some_and(|metadata| !metadata.is_dir()) {
                return Err(missing(&ErrorKind::NotADirectory.into(), from_link));
            }
            let Some(name) = name else {
                // above the top is the top, as in the kernel
                at.pop();
                last = None;
                continue;
            };
            // no system has such a name, whatever a file says
            if name.as_encoded_bytes().contains(&0) {
                return Err(missing(&ErrorKind::NotFound.into(), from_link));
            }
            os::check_name(&name)?;
            at.push(name);
            // attack: a link over `/proc/self/cwd`, which leads each process elsewhere; in an image there is nothing behind it,
            // nor behind such a path that a variable names
            if (links > 0 || !live) && is_of_process(&at) {
                return Err(ReadError::OfProcess);
            }
            let host = self.host_path(&at);
            let metadata =
                std::fs::symlink_metadata(&host).map_err(|error| match leads_on_in_dev(&at, &todo) {
                    true if !live => ReadError::OfProcess,
                    _ => missing(&error, from_link),
                })?;
            tell(&at, &metadata);
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ReadError::LinkLoop);
                }
                let target = std::fs::read_link(&host).map_err(|error| missing(&error, from_link))?;
                // an image may have no `/dev` at all
                if is_of_process(&target) {
                    return Err(ReadError::OfProcess);
                }
                at.pop();
                if target.has_root() {
                    at = os::top_of_link(&target, &at, live)?;
                }
                todo.extend(steps(&target, true));
                last = None;
            } else {
                last = Some(metadata);
            }
        }
        let metadata = match last {
            Some(metadata) => metadata,
            None => std::fs::symlink_metadata(self.host_path(&at)).map_err(|error| ReadError::of(&error))?,
        };
        Ok(Walked { path: at, followed: links > 0, metadata })
    }
}

/// Whether a path begins in a place that is another for each process.
fn is_of_process(path: &Path) -> bool {
    ["/proc", "/dev/fd"].iter().any(|place| path.starts_with(place))
}

/// Whether a path goes on from a folder of devices that an image lacks: where, only a running system says.
///
/// Attack: a link to `/dev`, and `fd/../cwd/x` behind it.
fn leads_on_in_dev(at: &Path, todo: &[Step]) -> bool {
    let is_null = at == Path::new("/dev")
        && matches!(todo, [Step { name: Some(name), .. }] if name.as_os_str() == "null");
    at.starts_with("/dev") && !todo.is_empty() && !is_null
}

fn missing(error: &std::io::Error, from_link: bool) -> ReadError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory if from_link => ReadError::Dangling,
        _ => ReadError::of(error),
    }
}
