//! The grammar of chat: forgiving in form, and never guessing what work is meant.
//!
//! ```text
//! message = [ name ("," | ":" | " ") ] ( request | command )
//! request = "work on" project [ "@" branch ] separator text
//!         | "do" text                                          about the machine, not a project
//! command = "status" | "queue" | "cancel" [ number ] | "log" [ number ] | "history" | "cost" | "help"
//!         | "answer" [ number ] text
//! separator = "--" | "—" | "–" | ":" | end of line
//! ```
//!
//! Letter case, politeness, quotation marks, and punctuation at the end do not matter. Between a project that is known and the text no
//! separator is needed. A device's agent takes whatever is nothing else as a task about its machine.

use crate::task::{Branch, Project, TEXT_MAX, TaskId};
use crate::wire::Ask;

/// Where something is heard.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The name that the agent listens to.
    pub name: &'a str,
    /// Whether others are there too: then only what begins with the name is meant for it.
    pub crowd: bool,
    /// Whether words that are no command are a task about the machine.
    pub free: bool,
    /// The projects that the agent knows.
    pub projects: &'a [String],
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A request or a command.
    Ask(Ask),
    /// A wish to know what can be said.
    Help,
    /// Nothing that is meant for this agent.
    Nothing,
    /// Something that cannot be understood: why, and what to say instead.
    Unclear(String),
}

/// Words that politeness puts before a request.
const POLITE: [&str; 11] =
    ["please", "pls", "can you", "could you", "would you", "hey", "hi", "hello", "ok", "so", "now"];

/// Reads what somebody wrote.
#[must_use]
pub fn hear(text: &str, place: Place<'_>) -> Heard {
    let text = text.trim();
    if text.len() > TEXT_MAX {
        let size = text.len();
        return Heard::Unclear(format!(
            "That is {size} bytes long, and I read {TEXT_MAX}. Put it into a file of the project."
        ));
    }
    let words = match addressed(text, place) {
        Some(words) => polite(words),
        None if place.crowd => return Heard::Nothing,
        None => polite(text),
    };
    if words.is_empty() {
        return if text.is_empty() { Heard::Nothing } else { Heard::Help };
    }
    if let Some(rest) =
        starts_with_word(words, &["work on", "work in", "work at", "start on", "start work on"])
    {
        return work(rest, place);
    }
    if let Some(command) = command(words) {
        return command;
    }
    if let Some(rest) = starts_with_word(words, &["do"]).filter(|rest| !rest.is_empty()) {
        return task(None, None, rest);
    }
    if place.free {
        return task(None, None, words);
    }
    Heard::Unclear(unclear(words, place))
}

/// What follows the agent's name, if the text begins with that.
fn addressed<'a>(text: &'a str, place: Place<'_>) -> Option<&'a str> {
    let text = polite(text.trim_start_matches('@'));
    let text = text.trim_start_matches('@');
    let head = text.get(..place.name.len())?;
    if !head.eq_ignore_ascii_case(place.name) {
        return None;
    }
    let rest = &text[head.len()..];
    match rest.chars().next() {
        None => Some(rest),
        Some(c) if c.is_whitespace() || matches!(c, ',' | ':' | ';' | '!' | '-' | '—') => {
            Some(rest.trim_start_matches(|c: char| {
                c.is_whitespace() || matches!(c, ',' | ':' | ';' | '!' | '-' | '—')
            }))
        }
        Some(_) => None,
    }
}

/// The text without the politeness before it.
fn polite(mut text: &str) -> &str {
    let after =
        |text: &str, word: &&str| has_prefix(text, word) && text[word.len()..].starts_with([' ', ',', '\n']);
    while let Some(word) = POLITE.iter().find(|word| after(text, word)) {
        text = text[word.len()..].trim_start_matches([' ', ',', '\n']);
    }
    text
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// What follows one of these phrases, if the text begins with it as whole words.
fn starts_with_word<'a>(text: &'a str, phrases: &[&str]) -> Option<&'a str> {
    phrases.iter().find_map(|phrase| {
        let rest = has_prefix(text, phrase).then(|| &text[phrase.len()..])?;
        let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric());
        ends.then(|| rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':'))
    })
}

/// `PROJECT[@BRANCH] -- TEXT`.
fn work(rest: &str, place: Place<'_>) -> Heard {
    let (name, text) = divide(rest);
    let words = name.split_whitespace().collect::<Vec<_>>();
    let (name, text) = match (words.as_slice(), text) {
        ([], _) => return Heard::Unclear("Which project? Say: work on PROJECT -- what to do.".to_owned()),
        ([name], Some(text)) => (*name, text),
        // No separator: only a project that is known ends where a word does.
        ([first, _, ..], _) if is_known(first, place) => {
            let end = rest.find(first).map_or(0, |start| start + first.len());
            (*first, rest[end..].trim())
        }
        ([name], None) => {
            let name = unquoted(name);
            return Heard::Unclear(format!(
                "What is to be done in {name}? Say: work on {name} -- what to do."
            ));
        }
        ([first, ..], _) => {
            let first = unquoted(first);
            let hint = nearest(first, place).map_or_else(String::new, |name| format!(" I know {name}."));
            return Heard::Unclear(format!(
                "I do not see where the project's name ends. Say: work on PROJECT -- what to do.{hint}"
            ));
        }
    };
    if text.trim().is_empty() {
        let name = unquoted(name);
        return Heard::Unclear(format!("What is to be done in {name}? Say: work on {name} -- what to do."));
    }
    let (project, branch) = match unquoted(name).split_once('@') {
        Some((project, branch)) => (unquoted(project), Some(unquoted(branch))),
        None => (unquoted(name), None),
    };
    let project = match project.parse::<Project>() {
        Ok(project) => project,
        Err(error) => return Heard::Unclear(format!("{error}.")),
    };
    match branch.map(str::parse::<Branch>).transpose() {
        Ok(branch) => task(Some(project), branch, text),
        Err(error) => Heard::Unclear(format!("{error}.")),
    }
}

/// The parts before and after the first separator. One without spaces around it counts only where there is no other: a name may
/// hold hyphens.
fn divide(rest: &str) -> (&str, Option<&str>) {
    let first = |separators: &[&str]| {
        let found = separators.iter().filter_map(|separator| Some((rest.find(separator)?, separator.len())));
        found.min_by_key(|(at, _)| *at)
    };
    match first(&[" -- ", " — ", " – ", ": ", "\n"]).or_else(|| first(&["--", "—"])) {
        Some((at, length)) => (rest[..at].trim(), Some(rest[at + length..].trim())),
        None => (rest.trim(), None),
    }
}

fn is_known(name: &str, place: Place<'_>) -> bool {
    let name = unquoted(name);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    place.projects.iter().any(|known| known == name)
}

fn nearest<'a>(name: &str, place: Place<'a>) -> Option<&'a str> {
    nuketown::nearest(name, place.projects.iter().map(String::as_str))
}

fn unquoted(name: &str) -> &str {
    name.trim_matches(['"', '\'', '`', '“', '”', '‘', '’', ',', ';'])
}

fn task(project: Option<Project>, branch: Option<Branch>, text: &str) -> Heard {
    Heard::Ask(Ask::Task { project, branch, text: text.trim().to_owned(), mode: None })
}

/// A command: its word, then nothing or a number, or for an answer its text.
fn command(words: &str) -> Option<Heard> {
    let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let end = |text: &str| {
        text.trim_matches(|c: char| c.is_whitespace() || ".!?,:;/".contains(c)).to_ascii_lowercase()
    };
    let word = end(word);
    if word == "answer" {
        return Some(answer(rest));
    }
    let rest = end(rest);
    let rest = rest.strip_suffix("please").map_or(rest.as_str(), str::trim_end);
    let rest = rest.trim_end_matches(',');
    let plain = |ask: Ask| rest.is_empty().then_some(Heard::Ask(ask));
    match word.as_str() {
        "status" => plain(Ask::Status {}),
        "queue" => plain(Ask::Queue {}),
        "history" => plain(Ask::History { limit: Some(10) }),
        "cost" | "costs" => plain(Ask::Cost {}),
        "help" | "commands" => rest.is_empty().then_some(Heard::Help),
        "cancel" => Some(numbered(rest, "cancel", |task| Ask::Cancel { task })),
        "log" | "logs" => Some(numbered(rest, "log", |task| Ask::Log { task, follow: false })),
        _ => None,
    }
}

/// A command about a task, or about the one that runs.
fn numbered(rest: &str, word: &str, ask: impl Fn(Option<TaskId>) -> Ask) -> Heard {
    if rest.is_empty() || rest == "it" || rest == "that" {
        return Heard::Ask(ask(None));
    }
    match number(rest) {
        Some(task) => Heard::Ask(ask(Some(task))),
        None => {
            Heard::Unclear(format!("{rest:?} is no task's number. Say: {word} NUMBER; queue lists them."))
        }
    }
}

/// `3`, `#3`, `task 3`, `number 3`.
fn number(text: &str) -> Option<TaskId> {
    let text = starts_with_word(text, &["task", "number", "no"]).unwrap_or(text);
    let number = text.trim_start_matches(['#', ' ', '.']).parse().ok()?;
    (number > 0).then_some(TaskId(number))
}

fn answer(rest: &str) -> Heard {
    let rest = rest.trim().trim_start_matches(':').trim_start();
    let (head, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (task, text) = match number(head.trim_end_matches([':', ','])) {
        Some(task) if !tail.trim().is_empty() => (Some(task), tail.trim()),
        _ => (None, rest),
    };
    if text.is_empty() {
        return Heard::Unclear("What is the answer? Say: answer NUMBER your words.".to_owned());
    }
    Heard::Ask(Ask::Answer { task, text: text.to_owned() })
}

fn unclear(words: &str, place: Place<'_>) -> String {
    const COMMANDS: [&str; 7] = ["status", "queue", "cancel", "log", "history", "cost", "help"];
    let first = words.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
    let meant = nuketown::nearest(&first, COMMANDS.into_iter())
        .map_or_else(String::new, |word| format!(" Did you mean {word}?"));
    format!(
        "I did not understand that.{meant} Say: work on PROJECT -- what to do; or: do what to do on the machine; \
         or status, queue, cancel, log, help. I am {}.",
        place.name
    )
}

#[cfg(test)]
mod tests;
