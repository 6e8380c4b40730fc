//! Turns what Nix says when it fails into an error that says what to do.
//!
//! Nix has no machine-readable kinds of errors, so its words are looked at. A flake can put any words into its errors;
//! the worst it gains is advice that does not fit. Where the words must be Nix's own (memory, crashes), only messages
//! that a flake cannot make are looked at.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::error::EvalError;
use super::log::{Complaint, Log};
use super::nix::Question;
use super::reference::{Directory, FlakeRef};
use super::source::{Source, brief};
use super::text::{one_line, tidy, without_escapes};
use super::{git, launch};

/// The most lines of Nix's message that are shown.
pub(super) const LINES: usize = 10;

/// A run of Nix that failed.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    pub(super) flake: &'a FlakeRef,
    pub(super) question: &'a Question,
    pub(super) store: Option<&'a Path>,
    pub(super) online: bool,
    /// Bytes of address space that it had.
    pub(super) memory: u64,
    pub(super) status: ExitStatus,
    pub(super) log: &'a Log,
}

impl Failure<'_> {
    /// The error that it is.
    pub(super) fn explain(&self) -> EvalError {
        let plain = self.log.plain();
        if is_out_of_memory(&plain, self.log.error.as_ref()) {
            return EvalError::OutOfMemory { flake: self.flake.to_string(), limit: self.memory };
        }
        if plain.contains("error: stack overflow (possible infinite recursion)") {
            return EvalError::StackOverflow {
                flake: self.flake.to_string(),
                place: None,
                host: self.host(),
            };
        }
        if self.status.code() == Some(launch::FAILED) && plain.starts_with("launcher: ") {
            return EvalError::Launch { said: tidy(&plain["launcher: ".len()..], LINES) };
        }
        if let Some(signal) = self.status.signal() {
            return EvalError::Crashed { signal, said: tail(&plain) };
        }
        match &self.log.error {
            Some(error) => {
                let full = without_escapes(&error.full);
                let bare = error.bare.as_deref().map_or_else(|| full.clone(), without_escapes);
                let bare = bare.trim_start_matches("error: ");
                self.about_attribute(bare, &full)
                    .or_else(|| self.about_inputs(bare, &full))
                    .or_else(|| self.about_build(bare, &full))
                    .or_else(|| self.about_files(bare))
                    .or_else(|| self.about_machine(bare, &plain))
                    .unwrap_or_else(|| self.about_flake(bare, &full))
            }
            None if plain.contains("unrecogni") => EvalError::OldNix { said: tail(&plain) },
            None => self.about_flake(&tail(&plain), ""),
        }
    }

    /// Errors about the attribute.
    fn about_attribute(&self, bare: &str, full: &str) -> Option<EvalError> {
        let attribute = self.question.attribute().to_owned();
        if bare.contains("in selection path '") {
            return Some(EvalError::BadAttribute { attribute });
        }
        let inner = bare.strip_prefix('\'').and_then(|rest| rest.strip_suffix("' is not an attribute set"));
        let missing = bare.starts_with("flake '") && bare.contains("' does not provide attribute '")
            || inner.is_some_and(|inner| attribute.starts_with(inner));
        let suggestion = full.lines().find_map(|line| line.trim().strip_prefix("Did you mean "));
        let suggestion = suggestion.map(|names| format!("did you mean {}", one_line(names)));
        let flake = self.flake.to_string();
        missing.then_some(EvalError::NoAttribute { flake, attribute, suggestion, untracked: Vec::new() })
    }

    /// Errors about the inputs and the network.
    fn about_inputs(&self, bare: &str, full: &str) -> Option<EvalError> {
        let flake = self.flake.to_string();
        let is_lock = bare.contains("lock file '")
            || bare.contains("requires lock file changes")
            || full.contains("while updating the lock file of flake")
            || bare.starts_with("[json.exception.") && self.flake.directory().is_some_and(has_broken_lock);
        if is_lock {
            return Some(EvalError::Lock { flake, said: self.said(bare) });
        }
        let unknown = bare.contains("cannot find flake 'flake:")
            || bare.contains("is not a valid URL")
            || bare.starts_with("input '") && bare.ends_with("' is unsupported");
        if unknown && self.flake.directory().is_none() {
            return Some(EvalError::BadReference { given: flake, said: self.not_here(bare) });
        }
        let words = ["unable to download '", "Could not resolve host", "cannot find flake 'flake:"];
        let failed = words.iter().any(|word| bare.contains(word));
        failed.then(|| EvalError::Fetch { flake, said: self.not_here(bare), online: self.online })
    }

    /// Nix's message, after the reason why Nix was asked at all for what may be a mistyped path.
    fn not_here(&self, bare: &str) -> String {
        let said = self.said(bare);
        if self.flake.is_registry_name() {
            return format!("there is no directory of that name, and in the flake registry:\n{said}");
        }
        said
    }

    /// The error of a flake that imports what it derives.
    fn about_build(&self, bare: &str, full: &str) -> Option<EvalError> {
        if !bare.contains("option 'allow-import-from-derivation' is disabled") {
            return None;
        }
        // The recipe is named by its path: STORE/HASH-NAME.drv.
        let recipe = quoted_path(bare).unwrap_or_default();
        let file = recipe.rsplit('/').next().unwrap_or_default();
        let name = file.split_once('-').map_or(file, |(_, name)| name);
        let name = one_line(name.split(".drv").next().unwrap_or_default());
        Some(EvalError::Build {
            flake: self.flake.to_string(),
            said: format!("it reads the output of the derivation `{name}` while it is evaluated"),
            place: self.place(full),
            host: self.host(),
        })
    }

    /// Errors about a file that Nix does not see, although it is there.
    fn about_files(&self, bare: &str) -> Option<EvalError> {
        let directory = self.flake.directory().filter(|directory| directory.is_as_on_disk())?;
        let repository = directory.repository.clone()?;
        let file = if bare.contains(" is not tracked by Git") {
            PathBuf::from(between(bare, "Path '", "'")?)
        } else if bare.contains("No such file or directory") || bare.contains("does not exist") {
            let original = self.source()?.original(&quoted_path(bare)?)?;
            let missing = original.strip_prefix(&repository).ok()?;
            // Some versions name the first directory on the way that is missing.
            let flake = directory.below().join("flake.nix");
            if flake.starts_with(missing) { flake } else { missing.to_owned() }
        } else {
            let missing = between(bare, "does not contain a '", "' file")?;
            PathBuf::from(missing.trim_start_matches('/'))
        };
        let there = repository.join(&file).symlink_metadata().is_ok();
        there.then(|| EvalError::Untracked { flake: self.flake.to_string(), file, repository })
    }

    /// Errors about Git and the store.
    fn about_machine(&self, bare: &str, plain: &str) -> Option<EvalError> {
        if bare.contains("executing 'git'") {
            return Some(EvalError::GitMissing);
        }
        let repository = self.flake.directory().and_then(|directory| directory.repository.as_ref());
        if bare.contains("is not owned by current user") || bare.contains("program 'git' failed") {
            let own = |path: &Path| {
                path.metadata().is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw())
            };
            if let Some(repository) = repository.filter(|path| !own(path)) {
                return Some(EvalError::ForeignRepository { repository: repository.clone() });
            }
            let fatal: Vec<&str> = plain.lines().filter(|line| line.starts_with("fatal: ")).collect();
            if !fatal.is_empty() {
                let said = tidy(&fatal.join("\n"), LINES);
                return Some(EvalError::Fetch { flake: self.flake.to_string(), said, online: self.online });
            }
        }
        let store = [
            "Permission denied",
            "Read-only file system",
            "No space left on device",
            "cannot connect to socket",
        ];
        let place = self.log.error.as_ref().and_then(|error| error.place.as_ref());
        let broken = place.is_none() && store.iter().any(|word| bare.contains(word));
        broken.then(|| EvalError::Store { said: self.said(bare) })
    }

    /// Errors in the flake's own code.
    fn about_flake(&self, bare: &str, full: &str) -> EvalError {
        let flake = self.flake.to_string();
        let place = self.place(full);
        if bare == "stack overflow; max-call-depth exceeded" {
            return EvalError::StackOverflow { flake, place, host: self.host() };
        }
        let bare = bare.replace(" (use '--impure' to override)", "");
        EvalError::Evaluation { flake, said: self.said(&bare), place, host: self.host() }
    }

    /// Nix's message with the paths that the user knows.
    fn said(&self, bare: &str) -> String {
        let bare = bare.trim();
        match self.source() {
            Some(source) => tidy(&source.restore(bare), LINES),
            None => tidy(bare, LINES),
        }
    }

    /// Where the error is: as Nix says it, or else the last place of the trace, which is the innermost.
    fn place(&self, full: &str) -> Option<String> {
        let exact = self.log.error.as_ref()?.place.as_ref();
        let text = match exact {
            Some(place) => format!("{}:{}:{}", place.file, place.line, place.column),
            None => full.lines().rev().find_map(place_in_trace)?.to_owned(),
        };
        if text.starts_with('«') {
            return None;
        }
        let text = self.source().map_or_else(|| text.clone(), |source| source.restore(&text));
        // Nix 2.34 names the files of a Git repository as they are on disk.
        let (path, position) = text.split_at(text.find(':').unwrap_or(text.len()));
        Some(if Path::new(path).is_absolute() {
            format!("{}{position}", brief(Path::new(path)))
        } else {
            one_line(&text)
        })
    }

    fn source(&self) -> Option<Source<'_>> {
        self.flake.directory().map(|directory| Source::new(directory, self.store))
    }

    fn host(&self) -> Option<String> {
        self.log.hosts.last().filter(|_| *self.question == Question::Hosts).cloned()
    }
}

/// Whether there is a `flake.lock` that is no lock file. Nix says nothing of the file then.
fn has_broken_lock(directory: &Directory) -> bool {
    let lock = std::fs::read(directory.flake.join("flake.lock")).ok();
    let parsed = lock.map(|lock| serde_json::from_slice::<serde_json::Value>(&lock).unwrap_or_default());
    parsed.is_some_and(|lock| !(lock["version"].is_u64() && lock["nodes"].is_object()))
}

/// The files that the user may have forgotten to add.
pub(super) fn untracked(flake: &FlakeRef) -> Vec<PathBuf> {
    let directory = flake.directory().filter(|directory| directory.is_as_on_disk());
    directory
        .and_then(|directory| directory.repository.as_deref())
        .map(git::untracked_nix_files)
        .unwrap_or_default()
}

/// Whether memory ran out: said by Nix (an error without a bare message is not the flake's), the garbage collector, the
/// C++ library or the dynamic linker.
fn is_out_of_memory(plain: &str, error: Option<&Complaint>) -> bool {
    let by_nix = error.is_some_and(|error| {
        error.bare.is_none() && without_escapes(&error.full).trim() == "error: out of memory"
    });
    let others = [
        "GC Warning: Out of Memory!",
        "Insufficient space for",
        "std::bad_alloc",
        "failed to map segment from shared object",
        "Cannot allocate memory",
        "cannot allocate memory",
    ];
    by_nix || error.is_none() && others.iter().any(|word| plain.contains(word))
}

/// `at FILE:LINE:COLUMN:`, a line of the trace.
pub(super) fn place_in_trace(line: &str) -> Option<&str> {
    let place = line.trim().strip_prefix("at ")?.trim_end_matches(':');
    let mut parts = place.rsplitn(3, ':');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_place =
        parts.next().is_some_and(digits) && parts.next().is_some_and(digits) && parts.next().is_some();
    (is_place && !place.starts_with('«')).then_some(place)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}

/// The path in quotes: `getting status of '…': No such file`, with double quotes in current Nix.
fn quoted_path(text: &str) -> Option<String> {
    let quote = ['\'', '"'].into_iter().filter_map(|quote| Some((text.find(quote)?, quote))).min()?.1;
    let quote = quote.to_string();
    between(text, &quote, &quote).map(str::to_owned)
}

/// The last of what was said, where nothing better is known.
fn tail(plain: &str) -> String {
    let shown = tidy(plain, usize::MAX);
    let lines: Vec<&str> = shown.lines().filter(|line| !line.starts_with("warning: ")).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::error::Class;
    use super::*;

    fn explain(stderr: &[u8], code: i32) -> EvalError {
        let mut log = Log::default();
        log.push(stderr);
        log.finish();
        let flake = FlakeRef::resolve("github:a/b").unwrap();
        let question = Question::Attribute("nuketown".into());
        let status = ExitStatus::from_raw(code);
        let failure = Failure {
            flake: &flake,
            question: &question,
            store: None,
            online: true,
            memory: 1 << 30,
            status,
            log: &log,
        };
        failure.explain()
    }

    fn said(bare: &str) -> Vec<u8> {
        let entry = serde_json::json!({ "action": "msg", "level": 0, "msg": format!("error: {bare}"), "raw_msg": bare });
        format!("@nix {entry}\n").into_bytes()
    }

    #[test]
    fn a_flake_cannot_pretend_that_memory_ran_out() {
        assert!(matches!(explain(&said("out of memory"), 256), EvalError::Evaluation { .. }));
        let real = b"GC Warning: Out of Memory! Heap size: 1 MiB. Returning NULL!\n@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"\\u001b[31;1merror:\\u001b[0m out of memory\"}\n";
        assert!(matches!(explain(real, 256), EvalError::OutOfMemory { .. }));
    }

    #[test]
    fn a_collector_that_gives_up_is_out_of_memory() {
        assert!(matches!(
            explain(b"Insufficient space for initial table allocation\n", 6),
            EvalError::OutOfMemory { .. }
        ));
    }

    #[test]
    fn a_nix_that_does_not_know_the_options_is_too_old() {
        assert!(matches!(
            explain(b"error: unrecognised flag '--extra-experimental-features'\n", 256),
            EvalError::OldNix { .. }
        ));
    }

    #[test]
    fn death_by_a_signal_is_a_crash() {
        assert!(matches!(explain(b"", 11), EvalError::Crashed { signal: 11, .. }));
    }

    #[test]
    fn the_innermost_place_of_the_trace_is_taken() {
        let full = "error:\n … while a\n at /x/a.nix:1:2:\n 1| code\n at «string»:6:4:\n error: boom";
        assert_eq!(full.lines().rev().find_map(place_in_trace), Some("/x/a.nix:1:2"));
    }

    fn is_fit_for_a_terminal(error: &EvalError) -> bool {
        let text = error.problem().to_string();
        text.lines().count() <= 16 && text.chars().all(|c| c == '\n' || !c.is_control())
    }

    proptest! {
        #[test]
        fn any_standard_error_is_explained(bytes in proptest::collection::vec(any::<u8>(), 0..2048), code in 0i32..512) {
            prop_assert!(is_fit_for_a_terminal(&explain(&bytes, code)));
        }

        #[test]
        fn whatever_a_flake_throws_stays_a_failure_with_a_tidy_message(words in proptest::collection::vec(prop_oneof![
            any::<String>(),
            Just("flake '".to_owned()), Just("' does not provide attribute '".to_owned()), Just("is not tracked by Git".to_owned()),
            Just("Path '".to_owned()), Just("/nix/store/".to_owned()), Just("' is not an attribute set".to_owned()),
            Just("\u{1b}[31m".to_owned()), Just("\n".to_owned()), Just("'".to_owned()), Just("No such file or directory".to_owned()),
            Just("at /x:1:2:".to_owned()), Just("unable to download '".to_owned()),
        ], 0..40)) {
            let error = explain(&said(&words.concat()), 256);
            prop_assert!(is_fit_for_a_terminal(&error), "{:?}", error.problem());
            prop_assert!(matches!(error.class(), Class::Town | Class::Usage | Class::Nix));
        }
    }
}
