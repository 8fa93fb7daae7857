//! Which files are meant, and how their bytes come: as they are, or unpacked on the way.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::write::MultiGzDecoder;
use mcpolicy_platform::machine::Machine;

use crate::lines::{Lines, Piece};

/// Endings of files that are taken from a folder; each also with `.gz` behind.
const ENDINGS: [&str; 3] = ["json", "jsonl", "ndjson"];
/// Largest file, in bytes. More belongs into a warehouse.
const MAX_FILE: u64 = 1 << 40;

/// Something that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// The file, and the line where it has several documents. Standard input is `-`.
    pub place: String,
    /// What is wrong. Nothing of the text itself: a file given by mistake may hold secrets.
    pub what: String,
}

/// The files meant, folders opened, with their sizes in bytes; `-` stays as it is, with 0.
pub(crate) fn files(inputs: &[PathBuf]) -> (Vec<(PathBuf, u64)>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        match listing(input) {
            Ok(inside) if inside.is_empty() => {
                problems
                    .push(problem(input, "the folder has no report (*.json, *.jsonl, *.ndjson, also .gz)"));
            }
            Ok(mut inside) => files.append(&mut inside),
            Err(error) => {
                problems.push(problem(input, &format!("the folder cannot be read ({})", error.kind())));
            }
        }
    }
    let sized = |path: PathBuf| {
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        (path, size)
    };
    (files.into_iter().map(sized).collect(), problems)
}

fn listing(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let all = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        all.into_iter().map(|entry| entry.path()).filter(|path| is_report(path)).collect();
    files.sort();
    Ok(files)
}

fn is_report(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

fn problem(path: &Path, what: &str) -> Problem {
    Problem { place: path.display().to_string(), what: what.to_owned() }
}

/// Gives the documents of one input away. `told` hears how many bytes of it were read, packed ones as they are.
///
/// # Errors
/// It cannot be read to its end; what was read before is given away.
pub(crate) fn read(
    path: &Path,
    stdin: &mut dyn Read,
    told: &mut dyn FnMut(u64),
    give: impl FnMut(Piece<'_>),
) -> Result<(), Problem> {
    let lines = Lines::new(give);
    let mut sink = if path.extension().is_some_and(|ending| ending == "gz") {
        Sink::Packed(Box::new(MultiGzDecoder::new(lines)))
    } else {
        Sink::Plain(lines)
    };
    let mut damage = None;
    let mut feed = |bytes: &[u8]| {
        told(bytes.len() as u64);
        if damage.is_none() {
            damage = sink.feed(bytes).err();
        }
    };
    let ended =
        if path == Path::new("-") { from_stream(stdin, &mut feed) } else { from_file(path, &mut feed) };
    let finished = sink.finish();
    let why =
        ended.err().or_else(|| damage.or(finished.err()).map(|_| "it is no gzip, or damaged".to_owned()));
    why.map_or(Ok(()), |what| Err(problem(path, &what)))
}

enum Sink<F: FnMut(Piece<'_>)> {
    Plain(Lines<F>),
    Packed(Box<MultiGzDecoder<Lines<F>>>),
}

impl<F: FnMut(Piece<'_>)> Sink<F> {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(lines) => {
                lines.feed(bytes);
                Ok(())
            }
            Self::Packed(decoder) => decoder.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut lines) => {
                lines.finish();
                Ok(())
            }
            Self::Packed(mut decoder) => {
                let ended = decoder.try_finish();
                decoder.get_mut().finish();
                ended
            }
        }
    }
}

fn from_file(path: &Path, feed: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let absolute = std::path::absolute(path).map_err(|_| "it is no path".to_owned())?;
    Machine::live().stream(&absolute, MAX_FILE, feed).map_err(|error| error.to_string())
}

fn from_stream(stdin: &mut dyn Read, feed: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let mut piece = vec![0; 1 << 16];
    loop {
        match stdin.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => feed(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("it cannot be read ({})", error.kind())),
        }
    }
}
