//! Everything that can keep a flake's town from being had. What the user is told about it is in `advice`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no town.
///
/// Text that comes from Nix or from the flake has been made fit for a terminal, and bounded, where the error is made.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The directory that the user named does not exist.
    #[error("flake {given} does not exist")]
    NoSuchDirectory {
        /// As typed.
        given: String,
        /// The absolute path.
        missing: PathBuf,
        /// The longest part of it that exists.
        exists: PathBuf,
    },
    /// The user named a file where a directory belongs.
    #[error("flake {given} is not a directory")]
    NotADirectory {
        /// As typed.
        given: String,
        /// What it resolves to.
        path: PathBuf,
    },
    /// The directory that the user named cannot be looked at.
    #[error("flake {given} cannot be read")]
    Unreadable {
        /// As typed.
        given: String,
        /// Why not.
        source: io::Error,
    },
    /// Neither the directory nor one above it in its repository has a `flake.nix`.
    #[error("there is no flake in {given}")]
    NoFlake {
        /// As typed.
        given: String,
        /// What it resolves to.
        directory: PathBuf,
        /// The top of the repository, up to which it was looked for.
        repository: Option<PathBuf>,
    },
    /// A revision was asked for where there is no Git repository.
    #[error("{} is in no Git repository", directory.display())]
    NoRepository {
        /// Where it was looked for, upwards.
        directory: PathBuf,
    },
    /// Nix does not understand the reference, or does not know the name.
    #[error("{given} is no flake reference")]
    BadReference {
        /// As typed.
        given: String,
        /// What Nix says about it.
        said: String,
    },
    /// The attribute path cannot be read.
    #[error("{attribute} is no attribute path")]
    BadAttribute {
        /// As typed.
        attribute: String,
    },
    /// The attribute was named twice, after `#` and by the option, and differently.
    #[error("two attributes are named")]
    TwoAttributes {
        /// After `#`.
        fragment: String,
        /// By the option.
        option: String,
    },

    /// The flake has neither `nuketown` nor a host with a town.
    #[error("{flake} has no town")]
    NoTown {
        /// The flake.
        flake: String,
        /// The hosts that were looked at; absent if there are no `nixosConfigurations`.
        hosts: Option<Vec<String>>,
        /// Files ending in `.nix` that Git does not track.
        untracked: Vec<PathBuf>,
    },
    /// The flake does not have the attribute that was asked for.
    #[error("{flake} has no attribute {attribute}")]
    NoAttribute {
        /// The flake.
        flake: String,
        /// The attribute.
        attribute: String,
        /// What Nix suggests instead.
        suggestion: Option<String>,
        /// Files ending in `.nix` that Git does not track.
        untracked: Vec<PathBuf>,
    },
    /// The flake needs a file that is there, but that Git does not track, so Nix does not see it.
    #[error("{flake} needs a file that Git does not track")]
    Untracked {
        /// The flake.
        flake: String,
        /// The file, relative to the top of the repository.
        file: PathBuf,
        /// The top of the repository.
        repository: PathBuf,
    },

    /// There is no Nix.
    #[error("nix is not installed")]
    NixMissing,
    /// Nix is too old to know flakes.
    #[error("nix is too old")]
    OldNix {
        /// What it says.
        said: String,
    },
    /// There is no nix-eval-jobs, which was asked for.
    #[error("nix-eval-jobs is not installed")]
    JobsMissing,
    /// nix-eval-jobs is too old.
    #[error("nix-eval-jobs is too old")]
    OldJobs {
        /// What it says.
        said: String,
    },
    /// The workers of nix-eval-jobs would have too little memory each.
    #[error("{asked} workers are too many")]
    Workers {
        /// How many were asked for.
        asked: usize,
        /// How many there can be.
        most: usize,
        /// Bytes that they would share.
        memory: u64,
    },
    /// What nix-eval-jobs has printed is not what it prints.
    #[error("nix-eval-jobs cannot be understood")]
    Jobs {
        /// The flake.
        flake: String,
        /// What is wrong with it.
        said: String,
    },
    /// Nix needs Git for this flake, and there is none.
    #[error("git is not installed")]
    GitMissing,
    /// Git failed.
    #[error("git failed")]
    Git {
        /// What it says.
        said: String,
    },
    /// The repository belongs to somebody else, and Git and Nix refuse to read it.
    #[error("{} belongs to another user", repository.display())]
    ForeignRepository {
        /// Its top.
        repository: PathBuf,
    },
    /// Nix could not be started.
    #[error("nix cannot be started")]
    Start(#[source] io::Error),
    /// The launcher could not confine Nix, or not start it.
    #[error("nix cannot be started")]
    Launch {
        /// What the launcher says.
        said: String,
    },
    /// Nix was started but could not be watched, and has been ended.
    #[error("nix cannot be watched")]
    Watch(#[source] io::Error),
    /// A private temporary directory could not be made or filled.
    #[error("no temporary directory")]
    Scratch(#[source] io::Error),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store {
        /// What Nix says.
        said: String,
    },
    /// The inputs of the flake are not, or not all, in its lock file.
    #[error("the lock file of {flake} is incomplete")]
    Lock {
        /// The flake.
        flake: String,
        /// What Nix says.
        said: String,
    },
    /// Something could not be downloaded.
    #[error("{flake} cannot be fetched")]
    Fetch {
        /// The flake.
        flake: String,
        /// What Nix says.
        said: String,
        /// Whether the network was used. It is not for a flake of this machine that locks no inputs.
        online: bool,
    },
    /// The flake reads something that has to be built first.
    #[error("{flake} needs a build")]
    Build {
        /// The flake.
        flake: String,
        /// What is read.
        said: String,
        /// Where: file, line and column.
        place: Option<String>,
        /// The host whose evaluation needs it.
        host: Option<String>,
    },
    /// The evaluation failed: an error in the flake.
    #[error("{flake} cannot be evaluated")]
    Evaluation {
        /// The flake.
        flake: String,
        /// What Nix says, at most ten lines.
        said: String,
        /// Where: file, line and column.
        place: Option<String>,
        /// The host whose evaluation failed.
        host: Option<String>,
    },
    /// The evaluation of some hosts failed, and the others were evaluated all the same.
    #[error("hosts of {} cannot be evaluated", .0.flake)]
    Hosts(BadHosts),
    /// The evaluation recursed too deeply.
    #[error("{flake} recurses too deeply")]
    StackOverflow {
        /// The flake.
        flake: String,
        /// Where: file, line and column.
        place: Option<String>,
        /// The host whose evaluation did.
        host: Option<String>,
    },
    /// The evaluation needs more memory than it may have.
    #[error("{flake} needs too much memory")]
    OutOfMemory {
        /// The flake.
        flake: String,
        /// Bytes of address space that it may have.
        limit: u64,
    },
    /// The town, as JSON, is too large.
    #[error("{flake} is too large")]
    TooLarge {
        /// The flake.
        flake: String,
        /// Bytes that are read.
        limit: usize,
    },
    /// Nix was ended by a signal that this program did not send.
    #[error("nix crashed")]
    Crashed {
        /// The signal.
        signal: i32,
        /// The last of what it said.
        said: String,
    },

    /// The time was up.
    #[error("{flake} took too long")]
    TimedOut {
        /// The flake.
        flake: String,
        /// What had not come to its end.
        phase: Phase,
        /// The time that it had.
        after: Duration,
        /// What Nix was doing.
        doing: Option<String>,
    },
    /// This program was asked to end. There is nobody to tell: end by [`super::end_by`].
    #[error("interrupted")]
    Interrupted {
        /// The signal: SIGINT, SIGTERM or SIGHUP.
        signal: i32,
    },
}

/// Hosts whose evaluation failed.
#[derive(Debug)]
pub struct BadHosts {
    /// The flake.
    pub flake: String,
    /// How many hosts it has.
    pub total: usize,
    /// How many of them were evaluated. Where nix-eval-jobs ended early, others were not even looked at.
    pub good: usize,
    /// Each host that failed and why, in the order of their names.
    pub bad: Vec<(String, EvalError)>,
}

/// What an evaluation spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Fetching the flake and its inputs.
    Reference,
    /// Evaluating the attribute of the town.
    Town,
    /// Evaluating the NixOS configurations.
    Hosts,
}

/// Whose fault an error is, which is what the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The flake holds no town: exit status 1.
    Town,
    /// The command is wrong: exit status 2.
    Usage,
    /// Nix failed: exit status 3.
    Nix,
    /// The time was up: exit status 4.
    Time,
    /// Interrupted by this signal: 128 more than it, if the program cannot end by it.
    Signal(i32),
}

impl Class {
    /// The exit status.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Town => 1,
            Self::Usage => 2,
            Self::Nix => 3,
            Self::Time => 4,
            Self::Signal(signal) => u8::try_from(signal).map_or(u8::MAX, |signal| signal.saturating_add(128)),
        }
    }
}

impl EvalError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoSuchDirectory { .. }
            | Self::NotADirectory { .. }
            | Self::Unreadable { .. }
            | Self::NoFlake { .. }
            | Self::NoRepository { .. }
            | Self::BadReference { .. }
            | Self::BadAttribute { .. }
            | Self::Workers { .. }
            | Self::TwoAttributes { .. } => Class::Usage,
            Self::NoTown { .. } | Self::NoAttribute { .. } | Self::Untracked { .. } => Class::Town,
            Self::TimedOut { .. } => Class::Time,
            Self::Interrupted { signal } => Class::Signal(*signal),
            _ => Class::Nix,
        }
    }
}
