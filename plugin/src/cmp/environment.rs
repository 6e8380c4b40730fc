//! The variables of this process, as a value that tests can make.

use std::collections::BTreeMap;

use nuketown::{Problem, nearest};

use crate::failure::Failure;

/// What Argo CD puts before the names in an Application's `plugin.env`.
pub(super) const APPLICATION: &str = "ARGOCD_ENV_";

/// All that can be set, without [`APPLICATION`].
pub(super) const KNOWN: [&str; 11] = [
    "NUKETOWN_ALLOW_EMPTY",
    "NUKETOWN_ATTR",
    "NUKETOWN_CACHE_DIR",
    "NUKETOWN_CONCURRENCY",
    "NUKETOWN_EVALUATOR",
    "NUKETOWN_MEMORY",
    "NUKETOWN_NAMESPACE",
    "NUKETOWN_PREVIEW",
    "NUKETOWN_SCOPE",
    "NUKETOWN_TIMEOUT",
    "NUKETOWN_WORKERS",
];

/// What decides about more than one Application, so that none may set it.
const OF_THE_SIDECAR: [&str; 2] = ["NUKETOWN_CACHE_DIR", "NUKETOWN_CONCURRENCY"];

/// The variables by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's. What is no UTF-8 comes with replacement characters, so that it is refused where it is used.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What an Application has set in its `plugin.env`, and the variable's whole name.
    pub(super) fn of_application(&self, name: &str) -> Option<(String, &str)> {
        let whole = format!("{APPLICATION}{name}");
        let value = self.get(&whole)?;
        Some((whole, value))
    }

    /// A variable with its whole name: the Application's, or else the sidecar's.
    pub(super) fn either(&self, name: &str) -> Option<(String, &str)> {
        self.of_application(name).or_else(|| Some((name.to_owned(), self.get(name)?)))
    }

    /// The same without what is said about an Application and its repository.
    pub(super) fn without_application(&self) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !name.starts_with("ARGOCD_APP_"));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Refuses what an Application sets and nothing reads: a limit with a misspelt name would be none.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for name in self.0.keys().filter_map(|name| name.strip_prefix(APPLICATION)) {
            if OF_THE_SIDECAR.contains(&name) {
                let cause =
                    format!("{APPLICATION}{name} is set by the Application, and concerns all of them");
                let problem = Problem::new(format!("an Application cannot set {name}"), cause);
                return Err(Failure::usage(problem.hint(format!("set {name} in the sidecar's environment"))));
            }
            if name.starts_with("NUKETOWN_") && !KNOWN.contains(&name) {
                return Err(Failure::usage(unknown(name)));
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Problem {
    let problem = Problem::new(
        format!("the Application sets a variable that does not exist: {name}"),
        format!("its plugin.env may set {}", KNOWN.join(", ")),
    );
    match nearest(name, KNOWN.into_iter()) {
        Some(near) => problem.hint(format!("did you mean {near}?")),
        None => problem,
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_is_heard_before_the_sidecar() {
        let both = Environment::from([("NUKETOWN_ATTR", "a"), ("ARGOCD_ENV_NUKETOWN_ATTR", "b")]);
        assert_eq!(both.either("NUKETOWN_ATTR"), Some(("ARGOCD_ENV_NUKETOWN_ATTR".to_owned(), "b")));
        assert_eq!(Environment::from([("NUKETOWN_ATTR", "")]).either("NUKETOWN_ATTR"), None);
    }

    #[test]
    fn variable_that_nothing_reads_is_refused_with_the_nearest() {
        let misspelt = Environment::from([("ARGOCD_ENV_NUKETOWN_TIMEOUTS", "5"), ("ARGOCD_ENV_OTHER", "x")]);
        let problem = misspelt.check().unwrap_err().problems.remove(0);
        assert_eq!(problem.hint.as_deref(), Some("did you mean NUKETOWN_TIMEOUT?"));
        assert!(Environment::from([("ARGOCD_ENV_OTHER", "x"), ("NUKETOWN_X", "x")]).check().is_ok());
    }

    #[test]
    fn application_cannot_move_the_cache_or_lift_the_bound() {
        for name in OF_THE_SIDECAR {
            let variable = format!("{APPLICATION}{name}");
            let problem =
                Environment::from([(variable.as_str(), "/x")]).check().unwrap_err().problems.remove(0);
            assert!(problem.what.contains(name), "{problem}");
        }
    }
}
