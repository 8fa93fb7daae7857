//! A file of lines, for a forwarder that is there already. On the disk when it is told as sent.

use std::io;
use std::path::{Path, PathBuf};

use mcpolicy_platform::durable;

use crate::formats::Format;
use crate::sink::{Batch, Limits, Receipt, Sink, SinkError};

/// What is set.
#[derive(Debug, Clone)]
pub struct LinesSettings {
    /// Its name.
    pub name: String,
    /// The file. Its group may read it: the forwarder's.
    pub path: PathBuf,
    /// Size in bytes from which it is put aside and a new one begins.
    pub max_bytes: u64,
    /// How many that were put aside are kept: `path.1` is the newest.
    pub keep: u32,
    /// How records are written.
    pub format: Format,
    /// What is written at once.
    pub limits: Limits,
}

/// The sink.
#[derive(Debug)]
pub struct Lines {
    settings: LinesSettings,
}

impl Lines {
    /// Makes it; the file is opened when there is something to write.
    pub fn new(settings: LinesSettings) -> Self {
        Self { settings }
    }
}

impl Sink for Lines {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn send(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut bytes = Vec::new();
        for line in &batch.lines {
            bytes.extend_from_slice(&self.settings.format.of(line));
            bytes.push(b'\n');
        }
        let settings = self.settings.clone();
        // a thread of its own: a network drive may hang
        let written = tokio::task::spawn_blocking(move || write(&settings, &bytes)).await;
        let shown = self.settings.path.display();
        match written {
            Ok(Ok(end)) => Ok(Receipt::whole(batch, format!("on the disk, file has {end} bytes"))),
            Ok(Err(error)) => Err(SinkError::retry(format!("{shown}: {}", error.kind()))),
            Err(_) => Err(SinkError::retry(format!("{shown}: the write was broken off"))),
        }
    }
}

/// Adds bytes, in one piece; gives the length of the file after.
fn write(settings: &LinesSettings, bytes: &[u8]) -> io::Result<u64> {
    let path = &settings.path;
    let mut length = length_of(path)?;
    if length > 0 && length.saturating_add(bytes.len() as u64) > settings.max_bytes {
        rotate(path, settings.keep)?;
        length = 0;
    }
    // a write that a crash broke off left half a line: the forwarder gets it as a line of its own
    let is_torn = length > 0 && !durable::ends_with(path, b'\n')?;
    let torn: &[u8] = if is_torn { b"\n" } else { b"" };
    durable::append_for_group(path, &[torn, bytes].concat())?;
    Ok(length + (torn.len() + bytes.len()) as u64)
}

fn length_of(path: &Path) -> io::Result<u64> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return std::fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}
