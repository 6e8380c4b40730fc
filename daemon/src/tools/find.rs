//! `Glob` and `Grep`.
//!
//! Links are not followed, and what git ignores is left out, as ripgrep does. A regular expression takes linear time, and a
//! bounded amount of memory.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::{RESULT_MAX, beneath::Root};

/// The most files that one call names.
const FILES_MAX: usize = 500;
/// The most that is shown of a line, in characters.
const LINE_MAX: usize = 300;
/// The most memory that a compiled expression may take.
const EXPRESSION_MAX: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByName {
    pattern: String,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByContent {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
}

pub(super) fn glob(root: &Root, asked: &ByName) -> Result<String, String> {
    let start = root.relative(asked.path.as_deref().unwrap_or("."))?;
    let matcher = matcher(&asked.pattern)?;
    let mut found = Vec::new();
    for (file, inside) in files(root, &start)? {
        if matcher.is_match(&inside) {
            found.push(file.display().to_string());
        }
        if found.len() > FILES_MAX {
            found[FILES_MAX] = format!("[… more than {FILES_MAX} files; use a narrower pattern …]");
            break;
        }
    }
    Ok(if found.is_empty() { "(no files)".to_owned() } else { found.join("\n") })
}

pub(super) fn grep(root: &Root, asked: &ByContent) -> Result<String, String> {
    let start = root.relative(asked.path.as_deref().unwrap_or("."))?;
    let expression = RegexBuilder::new(&asked.pattern)
        .size_limit(EXPRESSION_MAX)
        .build()
        .map_err(|why| format!("the pattern is no regular expression: {why}"))?;
    let only = asked.glob.as_deref().map(matcher).transpose()?;
    let mut found = String::new();
    for (file, inside) in files(root, &start)? {
        // A pattern without a slash is about the name, wherever the file is.
        let named = only.as_ref().is_none_or(|only| {
            only.is_match(&inside) || file.file_name().is_some_and(|name| only.is_match(name))
        });
        if named {
            search(root, &file, &expression, &mut found);
        }
        if found.len() > RESULT_MAX {
            break;
        }
    }
    Ok(if found.is_empty() { "(no matches)".to_owned() } else { found })
}

fn search(root: &Root, file: &Path, expression: &Regex, found: &mut String) {
    let shown = file.display().to_string();
    // A file that cannot be read, or is no text, has no lines.
    let Ok(content) = root.read_at(file, &shown) else { return };
    if content.contains(&0) {
        return;
    }
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if expression.is_match(line) {
            let line: String = String::from_utf8_lossy(line).chars().take(LINE_MAX).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(found, "{shown}:{}:{line}", number + 1);
        }
        if found.len() > RESULT_MAX {
            return;
        }
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(pattern).literal_separator(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|why| format!("{pattern:?} is no pattern: {why}"))
}

/// The files below `start`, in order: relative to the workspace, and relative to `start`.
fn files(root: &Root, start: &Path) -> Result<impl Iterator<Item = (PathBuf, PathBuf)>, String> {
    let base = root
        .path()
        .join(start)
        .canonicalize()
        .map_err(|why| format!("cannot open {}: {why}", start.display()))?;
    let real_root = root.path().canonicalize().map_err(|why| format!("cannot open the workspace: {why}"))?;
    if !base.starts_with(&real_root) {
        return Err(format!("{} is outside of the workspace; paths are relative to it", start.display()));
    }
    let walk = WalkBuilder::new(&base)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build();
    let regular = walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    Ok(regular.filter_map(move |entry| {
        let path = entry.into_path();
        let inside = path.strip_prefix(&base).ok()?;
        let inside =
            if inside.as_os_str().is_empty() { PathBuf::from(path.file_name()?) } else { inside.to_owned() };
        Some((path.strip_prefix(&real_root).ok()?.to_owned(), inside))
    }))
}
