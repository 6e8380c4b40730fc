//! What is said on standard error, which Argo CD shows in its web interface: short, and free of secrets.

use std::io::{self, Write as _};

use nuketown::Problem;

use super::environment::Environment;

/// The most lines of one run.
const LINES: usize = 20;

/// The most characters of one line.
const LINE: usize = 500;

/// Parts of the names of variables that hold secrets.
const SECRET: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "API_KEY", "PRIVATE"];

/// Endings of such names, which elsewhere are parts of harmless words.
const SECRET_END: [&str; 4] = ["_KEY", "_PASS", "_AUTH", "_PAT"];

/// A value of fewer characters is part of too many words to be hidden, and no secret.
const SECRET_LENGTH: usize = 6;

/// Says problems as `error:` or `warning:`, each with its cause and hint.
pub fn say(kind: &str, problems: &[Problem], environment: &Environment) {
    // Nowhere is left to complain to if standard error is closed.
    let _ = io::stderr().lock().write_all(text(kind, problems, environment).as_bytes());
}

fn text(kind: &str, problems: &[Problem], environment: &Environment) -> String {
    let secrets = secrets(environment);
    let whole: Vec<String> = problems.iter().map(|problem| format!("{kind}: {}\n", here(problem))).collect();
    let whole = whole.concat();
    let mut lines: Vec<String> = whole.lines().map(|line| fit(&without(line, &secrets))).collect();
    if lines.len() > LINES {
        let more = lines.split_off(LINES - 1).len();
        lines.push(format!("… and {more} more lines"));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The problem with advice that can be followed here: there are no options, but variables and parameters.
fn here(problem: &Problem) -> Problem {
    let mut problem = problem.clone();
    for text in std::iter::once(&mut problem.cause).chain(&mut problem.hint) {
        for (option, instead) in [
            ("--timeout SECONDS", "NUKETOWN_TIMEOUT (and Argo CD's own deadline with it)"),
            ("--memory MIB", "NUKETOWN_MEMORY"),
            ("(--workers)", "(NUKETOWN_WORKERS)"),
            ("--evaluator nix", "the parameter evaluator"),
            ("--attr PATH", "the parameter attr"),
            ("--attr", "the parameter attr"),
            ("--allow-empty", "NUKETOWN_ALLOW_EMPTY=true"),
            ("--store DIR", "NUKETOWN_CACHE_DIR"),
        ] {
            *text = text.replace(option, instead);
        }
    }
    problem
}

/// The values that must not be shown, the longest first: one may contain another.
fn secrets(environment: &Environment) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for (name, value) in environment.iter() {
        let upper = name.to_uppercase();
        if SECRET.iter().any(|part| upper.contains(part)) || SECRET_END.iter().any(|end| upper.ends_with(end))
        {
            // A file is named by its path, and a key has many lines of which each is one too many.
            secrets.extend(value.lines().map(|line| line.trim().to_owned()));
        } else if upper == "NIX_CONFIG" {
            // `access-tokens = github.com=…`
            secrets
                .extend(value.split_whitespace().filter_map(|word| Some(word.split_once('=')?.1.to_owned())));
        }
        if let Some(password) = password(value) {
            secrets.push(password.to_owned());
        }
    }
    secrets.retain(|secret| secret.chars().count() >= SECRET_LENGTH);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// The password in an address, as a proxy or a repository may have one: `https://user:password@host`.
fn password(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    Some(user.split_once(':').map_or(user, |(_, password)| password))
}

/// The line without secrets, and without the user in an address: git repeats addresses as it was given them.
fn without(line: &str, secrets: &[String]) -> String {
    let mut line = line.to_owned();
    for secret in secrets {
        line = line.replace(secret.as_str(), "(hidden)");
    }
    let mut out = String::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end =
            after.find(|c: char| c == '/' || c.is_whitespace() || "'\"`".contains(c)).unwrap_or(after.len());
        rest = after;
        if let Some(at) = after[..end].rfind('@') {
            out.push('…');
            rest = &after[at..];
        }
    }
    out.push_str(rest);
    out
}

/// One line of bounded length without control characters.
fn fit(line: &str) -> String {
    let mut out = String::new();
    for (at, c) in line.chars().enumerate() {
        if at == LINE {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(problem: Problem, environment: &Environment) -> String {
        text("error", &[problem], environment)
    }

    #[test]
    fn secret_of_the_environment_is_hidden_wherever_it_stands() {
        let environment = Environment::from([
            ("GITHUB_TOKEN", "ghp_sesame"),
            ("NIX_CONFIG", "access-tokens = github.com=ghp_other gitlab.com=PAT:glpat-third"),
            ("HTTPS_PROXY", "http://me:pass-phrase@proxy:3128"),
            ("SSH_PRIVATE", "-----BEGIN-----\nAAAAC3Nza\n"),
            ("SHORT_TOKEN", "a"),
            ("ARGOCD_APP_NAME", "sesame-street"),
        ]);
        let cause =
            "git said ghp_sesame, ghp_other, PAT:glpat-third, pass-phrase, AAAAC3Nza of sesame-street";
        let said = said(Problem::new("x", cause), &environment);
        assert_eq!(
            said,
            "error: x\n  cause: git said (hidden), (hidden), (hidden), (hidden), (hidden) of sesame-street\n"
        );
    }

    #[test]
    fn address_is_shown_without_its_user() {
        let none = Environment::default();
        let cause = "fatal: unable to access 'https://u:p@h.org/x@y/' and ssh://git@h/ and https://h.org/a@b";
        assert!(
            said(Problem::new("x", cause), &none)
                .contains("'https://…@h.org/x@y/' and ssh://…@h/ and https://h.org/a@b")
        );
    }

    #[test]
    fn what_is_said_has_at_most_twenty_lines_with_the_cause_first() {
        let problems: Vec<Problem> =
            (0..30).map(|n| Problem::new(format!("p{n}"), "c\u{1b}[31m").hint("h")).collect();
        let text = text("error", &problems, &Environment::default());
        assert_eq!(text.lines().count(), LINES);
        assert!(text.starts_with("error: p0\n  cause: c\\u{1b}[31m\n"), "{text}");
        assert!(text.ends_with("… and 71 more lines\n"), "{text}");
        let long = said(Problem::new("x".repeat(10_000), "c"), &Environment::default());
        assert!(long.lines().all(|line| line.chars().count() <= LINE + 1));
    }

    #[test]
    fn advice_names_what_an_application_can_set() {
        let problem = Problem::new("x", "y").hint("allow more time with --timeout SECONDS, or --allow-empty");
        let said = said(problem, &Environment::default());
        assert!(said.contains("NUKETOWN_TIMEOUT") && said.contains("NUKETOWN_ALLOW_EMPTY=true"), "{said}");
    }
}
