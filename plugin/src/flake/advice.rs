//! What the user is told about an error: what failed, why, and what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nuketown::Problem;

use super::error::{BadHosts, Class, EvalError, Phase};
use super::source::brief;

impl EvalError {
    /// All that the user is told: of each host that failed as well.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let hosts: &[(String, Self)] = if let Self::Hosts(hosts) = self { &hosts.bad } else { &[] };
        let each = hosts.iter().map(|(name, why)| why.of_host(name));
        std::iter::once(self.problem()).chain(each).collect()
    }

    /// What the user is told of this host.
    fn of_host(&self, name: &str) -> Problem {
        let problem = self.problem();
        match self {
            Self::Build { .. } | Self::Evaluation { .. } | Self::StackOverflow { .. } => problem,
            Self::OutOfMemory { flake, limit } => Problem::new(
                format!("cannot evaluate {}", place_of(flake, Some(name))),
                format!("it needs more than the {} of memory that a worker may have", size(*limit)),
            )
            .hint("look for a list that never ends, allow more memory, or let fewer workers share it (--workers)"),
            _ => Problem { what: format!("host `{}`: {}", shown(name), problem.what), ..problem },
        }
    }

    /// What the user is told, in short where it is about several hosts.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self.class() {
            Class::Usage => self.usage(),
            Class::Town => self.town(),
            _ => self.failure(),
        }
    }

    fn usage(&self) -> Problem {
        match self {
            Self::NoSuchDirectory { given, missing, exists } => Problem::new(
                format!("flake `{}` does not exist", shown(given)),
                format!("{} is missing; {} exists", full(missing), full(exists)),
            )
            .hint("name a directory that holds a flake.nix, or a reference such as github:OWNER/REPO"),
            Self::NotADirectory { given, path } => {
                let above = path.parent().unwrap_or(path);
                Problem::new(
                    format!("flake `{}` is not a directory", shown(given)),
                    format!("{} is a file", full(path)),
                )
                .hint(format!("name the directory that holds flake.nix: {}", brief(above)))
            }
            Self::Unreadable { given, source } => {
                Problem::new(format!("flake `{}` cannot be read", shown(given)), source.to_string())
            }
            Self::NoFlake { given, directory, repository } => {
                let above = repository.as_ref().filter(|top| *top != directory);
                let above = above.map(|top| format!(" nor in any directory above it up to {}", full(top)));
                Problem::new(
                    format!("there is no flake in `{}`", shown(given)),
                    format!(
                        "{} exists, but there is no flake.nix in it{}",
                        full(directory),
                        above.unwrap_or_default()
                    ),
                )
                .hint("name the directory that holds flake.nix, or make one with `nix flake init`")
            }
            Self::NoRepository { directory } => Problem::new(
                "a revision can only be looked at in a Git repository",
                format!("neither {} nor a directory above it has a .git", full(directory)),
            ),
            Self::BadReference { given, said } => {
                Problem::new(format!("`{}` is not a flake that Nix can find", shown(given)), lines(said))
                    .hint("name a directory that holds a flake.nix, or a reference such as github:OWNER/REPO")
            }
            Self::BadAttribute { attribute } => Problem::new(
                format!("`{}` is not an attribute path", shown(attribute)),
                "names are separated by dots, and a name with a dot in it is quoted",
            )
            .hint("write it like nuketown or nixosConfigurations.\"web.example.org\".config.nuketown.town"),
            Self::TwoAttributes { fragment, option } => Problem::new(
                "the attribute is named twice",
                format!("the flake reference says `{}`, --attr says `{}`", shown(fragment), shown(option)),
            )
            .hint("leave one of them out"),
            Self::Workers { asked, most, memory } => Problem::new(
                format!("{asked} workers are too many"),
                format!("they share {} of memory, which is enough for {most}", size(*memory)),
            )
            .hint("ask for fewer, or allow more memory (--memory MIB)"),
            other => Problem::new("the command is wrong", other.to_string()),
        }
    }

    fn town(&self) -> Problem {
        match self {
            Self::NoTown { flake, hosts, untracked } => {
                let hosts = match hosts {
                    None => "nor `nixosConfigurations`".to_owned(),
                    Some(hosts) if hosts.is_empty() => "and its `nixosConfigurations` are empty".to_owned(),
                    Some(hosts) => {
                        format!("and none of its hosts ({}) has `config.nuketown.town`", several(hosts))
                    }
                };
                Problem::new(
                    format!("{flake} declares no town"),
                    format!("it has no output `nuketown`, {hosts}"),
                )
                .hint(track(untracked).unwrap_or_else(|| {
                    "add an output `nuketown`, or say where the town is: --attr PATH".to_owned()
                }))
            }
            Self::NoAttribute { flake, attribute, suggestion, untracked } => {
                let problem = Problem::new(
                    format!("{flake} has no attribute `{}`", shown(attribute)),
                    "the flake does not provide it",
                );
                match track(untracked).or_else(|| suggestion.clone()) {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }
            }
            Self::Untracked { flake, file, repository } => Problem::new(
                format!("{flake} needs a file that Git does not track"),
                format!("Nix sees only tracked files, and {} is not one", full(&repository.join(file))),
            )
            .hint(format!("git -C {} add {}", quoted(repository), quoted(file))),
            other => Problem::new("there is no town", other.to_string()),
        }
    }

    fn failure(&self) -> Problem {
        match self {
            Self::Lock { flake, said } => Problem::new(
                format!("the lock file of {flake} does not match its inputs"),
                lines(said),
            )
            .hint("run `nix flake lock` there and commit flake.lock; nothing that is not locked is used"),
            Self::Fetch { flake, said, online } => {
                Problem::new(format!("{flake} cannot be fetched"), lines(said)).hint(if *online {
                    "check the network and the reference; inputs that are new in flake.nix need `nix flake lock` first"
                } else {
                    "if the flake has inputs, run `nix flake lock` there; without a locked input the network is not used"
                })
            }
            Self::Build { flake, said, place, host } => {
                Problem::new(format!("{} needs a build", place_of(flake, host.as_deref())), with_place(said, place.as_ref()))
                    .hint("a town is only evaluated, never built: do not read or import the output of a derivation")
            }
            Self::Evaluation { flake, said, place, host } => {
                let problem = Problem::new(
                    format!("cannot evaluate {}", place_of(flake, host.as_deref())),
                    with_place(said, place.as_ref()),
                );
                match advice(said) {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }
            }
            Self::Hosts(hosts) => bad_hosts(hosts),
            Self::StackOverflow { flake, place, host } => Problem::new(
                format!("cannot evaluate {}", place_of(flake, host.as_deref())),
                with_place("it recurses too deeply", place.as_ref()),
            )
            .hint("look for a value that is defined by itself, or a function that never stops calling itself"),
            Self::OutOfMemory { flake, limit } => Problem::new(
                format!("cannot evaluate {flake}"),
                format!("it needs more than the {} of memory that it may have", size(*limit)),
            )
            .hint("look for a list that never ends, or allow more memory"),
            Self::TooLarge { flake, limit } => Problem::new(
                format!("the town of {flake} is too large"),
                format!("as JSON it has more than {}", size(*limit as u64)),
            ),
            Self::TimedOut { flake, phase, after, doing } => timed_out(flake, *phase, *after, doing.as_ref()),
            other => other.machine(),
        }
    }

    /// What is wrong with this machine rather than with the flake.
    fn machine(&self) -> Problem {
        match self {
            Self::NixMissing => Problem::new("Nix is not installed", "there is no `nix` in PATH").hint(
                "install it (https://nixos.org/download, or `apt install nix-bin`), or use --from-json",
            ),
            Self::OldNix { said } => Problem::new("Nix is too old to evaluate flakes", lines(said))
                .hint("install Nix 2.8 or later"),
            Self::JobsMissing => {
                Problem::new("nix-eval-jobs is not installed", "there is no `nix-eval-jobs` in PATH").hint(
                    "install it (`nix profile install nixpkgs#nix-eval-jobs`), or let Nix evaluate the hosts: --evaluator nix",
                )
            }
            Self::OldJobs { said } => Problem::new("nix-eval-jobs is too old", lines(said))
                .hint("install nix-eval-jobs 2.31 or later, or let Nix evaluate the hosts: --evaluator nix"),
            Self::Jobs { flake, said } => Problem::new(
                format!("nix-eval-jobs did not say all about the hosts of {flake}"),
                lines(said),
            )
            .hint("let Nix evaluate the hosts: --evaluator nix"),
            Self::GitMissing => Problem::new(
                "Git is not installed",
                "the flake is in a Git repository, and there is no `git` in PATH",
            )
            .hint("install git"),
            Self::Git { said } => Problem::new("Git failed", lines(said)),
            Self::ForeignRepository { repository } => Problem::new(
                format!("the repository {} belongs to another user", full(repository)),
                "Git and Nix refuse to read it, because its configuration may run commands",
            )
            .hint(format!(
                "if you trust it: git config --global --add safe.directory {}",
                quoted(repository)
            )),
            Self::Start(source) | Self::Watch(source) => {
                Problem::new("Nix cannot be run", source.to_string())
            }
            Self::Launch { said } => Problem::new("Nix cannot be started", lines(said)),
            Self::Scratch(source) => Problem::new("cannot make a temporary directory", source.to_string())
                .hint("set TMPDIR to a directory that can be written to, or HOME to one of your own"),
            Self::Store { said } => Problem::new("the Nix store cannot be used", lines(said))
                .hint("name a directory of your own: --store DIR"),
            Self::Crashed { signal, said } => Problem::new(
                "Nix crashed",
                with_place(
                    &format!("it was ended by signal {signal}"),
                    Some(said).filter(|said| !said.is_empty()),
                ),
            )
            .hint(
                "signal 9 comes from the kernel when the machine is out of memory, others are faults of Nix",
            ),
            other => Problem::new("Nix failed", other.to_string()),
        }
    }
}

/// The most hosts that are named in one line.
const NAMED: usize = 20;

fn bad_hosts(hosts: &BadHosts) -> Problem {
    let BadHosts { flake, total, good, bad } = hosts;
    let names: Vec<String> = bad.iter().map(|(name, _)| shown(name)).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let unseen = total.saturating_sub(good + bad.len());
    let unseen = if unseen == 0 { String::new() } else { format!(", {unseen} not looked at") };
    Problem::new(
        format!("{} of {total} hosts of {flake} cannot be evaluated", bad.len()),
        format!("bad: {}{more}; good: {good}{unseen}", names[..names.len().min(NAMED)].join(", ")),
    )
    .hint("each bad one is named below; nothing is rendered of a town that is not whole")
}

fn timed_out(flake: &str, phase: Phase, after: Duration, doing: Option<&String>) -> Problem {
    let what = match phase {
        Phase::Reference => "fetching the flake or its inputs",
        Phase::Town => "evaluating the town",
        Phase::Hosts => "evaluating the towns of `nixosConfigurations`",
    };
    let doing = doing.map(|doing| format!(" ({doing})")).unwrap_or_default();
    Problem::new(
        format!("{flake} was not evaluated in time"),
        format!("{what}{doing} was not done after {} s", after.as_secs_f64()),
    )
    .hint("allow more time with --timeout SECONDS, or make the evaluation cheaper")
}

/// What often helps against an error of Nix.
fn advice(said: &str) -> Option<&'static str> {
    if said.contains("is forbidden in pure eval") {
        Some(
            "keep what the flake reads inside its own directory; the rest of the machine is not visible to it",
        )
    } else if said.contains("in pure evaluation mode") || said.contains("in pure eval mode") {
        Some("give the hash of what is fetched, or make it an input of the flake")
    } else if said.contains("to JSON") {
        Some("a town is plain data: strings, numbers, lists and attribute sets")
    } else {
        None
    }
}

fn place_of(flake: &str, host: Option<&str>) -> String {
    host.map_or_else(|| flake.to_owned(), |host| format!("the town of host `{}` of {flake}", shown(host)))
}

fn with_place(said: &str, place: Option<&String>) -> String {
    let place = place.map(|place| format!("\n    at {}", lines(place))).unwrap_or_default();
    format!("{}{place}", lines(said))
}

/// Continues on indented lines.
fn lines(text: &str) -> String {
    text.replace('\n', "\n    ")
}

fn shown(text: &str) -> String {
    super::text::one_line(text)
}

fn full(path: &Path) -> String {
    super::text::one_line(&path.to_string_lossy())
}

/// A path for a shell, to be copied from the terminal.
fn quoted(path: &Path) -> String {
    let text = full(path);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/+@=,:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn track(untracked: &[PathBuf]) -> Option<String> {
    let names: Vec<String> = untracked.iter().map(|path| quoted(path)).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Git does not track {}, so Nix does not see it: `git add` what belongs to the flake",
            several(&names)
        )
    })
}

/// At most three names, and how many more there are.
fn several(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(3).map(|name| shown(name)).collect();
    let more = names.len() - first.len();
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes.is_multiple_of(1024 * MIB) {
        format!("{} GiB", bytes / (1024 * MIB))
    } else {
        format!("{} MiB", bytes / MIB)
    }
}
