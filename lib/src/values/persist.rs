//! A directory below an agent's home that outlives a restart.

use super::{Malformed, text_type};

/// The longest volume suffix: the pod's volume is `persist-<suffix>`, a DNS label of at most 63.
const SUFFIX_MAX: usize = 55;

fn persist_path(text: &str) -> Result<(), Malformed> {
    let refuse =
        |why: &str| Err(Malformed::new(format!("expected a directory below the agent's home; {why}")));
    if text.starts_with('/') {
        return refuse("this path is absolute");
    }
    if text.starts_with('~') {
        return refuse("leave the ~/ out, the path is relative to the home already");
    }
    if text.split('/').any(|part| part == "..") {
        return refuse("this path leaves it through \"..\"");
    }
    if text.is_empty() || text.split('/').any(|part| part.is_empty() || part == ".") {
        return refuse("this path has an empty part or a \".\"");
    }
    if text.len() > 255 || text.chars().any(|c| c.is_control() || c == ':') {
        return refuse("this path has a control character or a colon, or is longer than 255 bytes");
    }
    let suffix = volume_suffix(text);
    if suffix.is_empty() || suffix.len() > SUFFIX_MAX {
        return refuse("a volume's name cannot be made of it (1 to 55 letters and digits are needed)");
    }
    Ok(())
}

/// `.config/claude` becomes `config-claude`: lower case, every run of other characters one hyphen.
fn volume_suffix(path: &str) -> String {
    let mut suffix = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_alphanumeric() {
            suffix.push(c.to_ascii_lowercase());
        } else if !suffix.is_empty() && !suffix.ends_with('-') {
            suffix.push('-');
        }
    }
    suffix.truncate(suffix.trim_end_matches('-').len());
    suffix
}

text_type! {
    /// An entry of `persist`: a normalised path relative to the agent's home.
    PersistPath, check = persist_path, pattern = "^[^/~][^:]*$", example = ".config/claude"
}

impl PersistPath {
    /// The end of the volume's name: `.config/claude` gives `config-claude`. Two paths may share one.
    #[must_use]
    pub fn volume_suffix(&self) -> String {
        volume_suffix(self.as_str())
    }

    /// Whether this path is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &str) -> bool {
        self.as_str().strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_suffix_is_readable_and_a_dns_label() {
        for (path, suffix) in [
            ("projects", "projects"),
            (".config/claude", "config-claude"),
            (".ssh", "ssh"),
            ("My Documents/2026_Q1", "my-documents-2026-q1"),
            ("a..b", "a-b"),
        ] {
            assert_eq!(path.parse::<PersistPath>().unwrap().volume_suffix(), suffix);
        }
    }

    #[test]
    fn path_that_is_absolute_or_leaves_the_home_is_refused() {
        for bad in [
            "/etc", "..", "a/../b", "../x", "", ".", "a//b", "a/", "./a", "~/x", "a\0b", "a\nb", "...", "é",
            "a:b",
        ] {
            assert!(bad.parse::<PersistPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn path_is_within_itself_and_its_parents_only() {
        let path: PersistPath = ".config/nuketown/x".parse().unwrap();
        assert!(path.is_within(".config/nuketown"));
        assert!(path.is_within(".config"));
        assert!(!path.is_within(".config/nuke"));
    }
}
