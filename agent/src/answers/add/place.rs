//! In which file of a client an entry goes, and who else reads that.

use std::path::{Path, PathBuf};

use mcpolicy_clients::adapter::ClientAdapter;
use mcpolicy_clients::location::{Location, Role};
use mcpolicy_clients::template::{self, Layout};
use mcpolicy_clients::{adapters, writes};
use mcpolicy_schema::entry::Scope;

use super::AddError;
use crate::discover::source::{Reading, Source};
use crate::pipeline::Ground;

/// The file in which the client keeps such entries.
pub(super) fn place(
    adapter: &'static dyn ClientAdapter,
    layout: &Layout,
    project: Option<&Path>,
    ground: &Ground,
) -> Result<(PathBuf, &'static Location), AddError> {
    let about = adapter.about();
    let scope = if project.is_some() { Scope::Project } else { Scope::User };
    let is_kept = |location: &&'static Location| {
        location.role == Role::Own
            && location.scope == scope
            && !location.aside
            && location.os.contains(&layout.os)
            && location.keys.first().is_some_and(|table| writes::beginning(location.format, table).is_some())
    };
    let paths = |location: &'static Location| -> Vec<PathBuf> {
        let patterns: Vec<template::Pattern> = match project {
            Some(directory) => template::below(location.path, "<project>", directory).into_iter().collect(),
            None => template::expand(about, location.path, layout),
        };
        patterns.into_iter().filter(|pattern| pattern.rest.is_empty()).map(|pattern| pattern.base).collect()
    };
    let is_there = |path: &PathBuf| ground.machine.kind(path).is_some();
    let kept: Vec<(PathBuf, &'static Location)> = about
        .locations
        .iter()
        .filter(is_kept)
        .flat_map(|location| paths(location).into_iter().map(move |path| (path, location)))
        .collect();
    for instead in adapter.instead() {
        let mut of_it = kept.iter().filter(|(_, location)| location.path == instead.template);
        if let Some(found) = of_it.find(|(path, _)| instead.by_variable || is_there(path)) {
            return Ok(found.clone());
        }
    }
    let is_usual = |location: &Location| {
        !location.path.contains('?')
            && adapter.instead().iter().all(|instead| instead.template != location.path)
    };
    let mut usual = kept.into_iter().filter(|(_, location)| is_usual(location));
    let what = if project.is_some() { "a file of a project" } else { "a file of the user's own" };
    let first = usual.next().ok_or_else(|| AddError::NoPlace { client: about.id.to_owned(), what })?;
    // the same file under its other name (`opencode.jsonc`), where only that is there
    let is_same = |(path, location): &(PathBuf, &'static Location)| {
        path.parent() == first.0.parent() && location.keys == first.1.keys
    };
    let other =
        if is_there(&first.0) { None } else { usual.filter(is_same).find(|(path, _)| is_there(path)) };
    Ok(other.unwrap_or(first))
}

/// The file with everybody who would read it.
pub(super) fn source_of(
    path: PathBuf,
    home: usize,
    layout: &Layout,
    project: Option<&Path>,
    reading: Reading,
) -> Source {
    let leads_there = |adapter: &'static dyn ClientAdapter, location: &Location| {
        let of_project = project.and_then(|project| template::below(location.path, "<project>", project));
        let of_home = template::expand(adapter.about(), location.path, layout);
        location.os.contains(&layout.os)
            && of_home.iter().chain(&of_project).any(|pattern| pattern.fits(&path))
    };
    let mut all = Vec::new();
    for adapter in adapters::ALL.iter().copied() {
        let locations = adapter.about().locations.iter().filter(|location| leads_there(adapter, location));
        all.extend(locations.map(|location| Reading { adapter, location }));
    }
    let mut source = Source::new(path, Some(home), reading);
    source.join(&all);
    source
}
