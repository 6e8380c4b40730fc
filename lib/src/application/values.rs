//! The values that an Argo CD Application is made of, each parsed once.

use crate::values::{Malformed, text_type};

fn application_name(text: &str) -> Result<(), Malformed> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        return Ok(());
    }
    Err(Malformed::new(
        "an Application's name is a DNS label (RFC 1123): lower-case letters, digits and hyphens, at most 63, a letter \
         or digit at both ends",
    ))
}

text_type! {
    /// The name of an Application: a DNS label, for Argo CD may track an Application's objects by a label of its name.
    ApplicationName, check = application_name, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "nuketown"
}

fn revision(text: &str) -> Result<(), Malformed> {
    let inner = |c: char| c.is_ascii_graphic() || c == ' ';
    if !text.is_empty() && text.trim() == text && !text.starts_with('-') && text.chars().all(inner) {
        return Ok(());
    }
    Err(Malformed::new("expected a branch, a tag, a commit or a range of versions such as \"1.*\""))
}

text_type! {
    /// What Argo CD follows: a branch, a tag, a commit, or a range of semantic versions (`>=1.0.0 <2.0.0`).
    Revision, check = revision, pattern = "^[!-,.-~]([ -~]*[!-~])?$", example = "HEAD"
}

fn source_path(text: &str) -> Result<(), Malformed> {
    let clean = |part: &str| !part.is_empty() && part != ".." && (part != "." || text == ".");
    if text.split('/').all(clean) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a directory of the repository such as \".\" or \"deploy/town\": relative, without \"..\"",
    ))
}

text_type! {
    /// A directory inside a repository, relative to its top, which is `.`.
    SourcePath, check = source_path, pattern = "^[^/]+(/[^/]+)*$", example = "."
}

fn cluster_name(text: &str) -> Result<(), Malformed> {
    if (1..=253).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Malformed::new("expected the name under which Argo CD knows a cluster, at most 253 bytes"))
}

text_type! {
    /// The name under which Argo CD knows a cluster: the `name` of the cluster's Secret, which is free text.
    ClusterName, check = cluster_name, pattern = "^[^\\s](.*[^\\s])?$", example = "in-cluster"
}

fn github_name(text: &str) -> Result<(), Malformed> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if (1..=100).contains(&text.len()) && text.bytes().all(inner) && text != "." && text != ".." {
        return Ok(());
    }
    Err(Malformed::new("expected a name as GitHub has it: letters, digits, '-', '_' and '.', at most 100"))
}

text_type! {
    /// The owner or the name of a repository at GitHub.
    GitHubName, check = github_name, pattern = "^[A-Za-z0-9._-]{1,100}$", example = "joshperry"
}

fn label_name(text: &str) -> Result<(), Malformed> {
    if (1..=200).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Malformed::new("expected the name of a label at GitHub, at most 200 bytes"))
}

text_type! {
    /// The name of a label at GitHub, which is free text.
    GitHubLabel, check = label_name, pattern = "^[^\\s](.*[^\\s])?$", example = "preview"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_stays_inside_the_repository() {
        for good in [".", "town", "deploy/town", "a b", "..a", "{town}"] {
            assert!(good.parse::<SourcePath>().is_ok(), "{good}");
        }
        for bad in ["", "/", "/etc", "../town", "a/../b", "a//b", "a/", "./a", "a/.", "a\nb", "a\u{0}"] {
            assert!(bad.parse::<SourcePath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn revision_is_no_option_and_has_no_blank_ends() {
        for good in ["HEAD", "main", "v1.2.3", "refs/pull/7/head", ">=1.0.0 <2.0.0", "1.*"] {
            assert!(good.parse::<Revision>().is_ok(), "{good}");
        }
        for bad in ["", " main", "main ", "--upload-pack=x", "a\nb", "a\tb", "\u{202e}"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes_and_github() {
        assert!("nuketown-ada".parse::<ApplicationName>().is_ok());
        for bad in ["", "Ada", "a.b", "-a", "a-", "{{x}}", &"a".repeat(64)] {
            assert!(bad.parse::<ApplicationName>().is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "a/b", "{{x}}", "a b"] {
            assert!(bad.parse::<GitHubName>().is_err(), "{bad}");
        }
        for bad in ["", " a", "a\n"] {
            assert!(bad.parse::<GitHubLabel>().is_err() && bad.parse::<ClusterName>().is_err(), "{bad:?}");
        }
    }
}
