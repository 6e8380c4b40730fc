//! What else of a command is granted: which file its program is, and what is added to its environment.

use std::{fmt, str::FromStr};

use crate::{
    Malformed, command,
    names::{from_hexadecimal, hexadecimal},
};

/// The most variables that are added to the environment of a command.
pub const VARIABLES_MAX: usize = 16;

/// The most bytes of all added variables, with their names: they are read by the same person as the arguments.
pub const ENVIRONMENT_BYTES_MAX: usize = 1024;

/// Which file a program is, as whoever will execute it has opened it: device and inode (stat(2)), and its content where
/// somebody other than root could change it.
///
/// In text `2049:131072`, or `2049:131072:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// SHA-256 of the copy that will be executed. None: only root can change the file or anything that leads to it.
    pub sha256: Option<[u8; 32]>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)?;
        self.sha256.iter().try_for_each(|sha256| write!(f, ":{}", hexadecimal(sha256)))
    }
}

impl FromStr for Identity {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        // One text for each number: no sign, no leading zero.
        let mut number = || {
            let part = parts.next()?;
            part.parse::<u64>().ok().filter(|number| number.to_string() == part)
        };
        let numbers = number().zip(number());
        let sha256 = parts.next().map(from_hexadecimal);
        match (numbers, sha256) {
            (Some((device, inode)), None) => Ok(Self { device, inode, sha256: None }),
            (Some((device, inode)), Some(Some(sha256))) => Ok(Self { device, inode, sha256: Some(sha256) }),
            _ => Err(Malformed::new(
                "<identity>",
                text,
                "expected device:inode or device:inode:SHA-256, in digits",
            )),
        }
    }
}

/// Variables that are added to the reset environment of a command: at most [`VARIABLES_MAX`], each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<Variable>);

/// One variable of an environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: Vec<u8>,
}

impl Environment {
    /// Takes the variables in the order in which they are shown.
    ///
    /// # Errors
    ///
    /// If there are too many, they are too long, or a name stands there twice.
    pub fn new(variables: Vec<Variable>) -> Result<Self, Malformed> {
        if variables.len() > VARIABLES_MAX {
            let found = format!("has {} variables", variables.len());
            return Err(Malformed::at(
                "the environment",
                found,
                format!("at most {VARIABLES_MAX} can be added"),
            ));
        }
        let bytes: usize =
            variables.iter().map(|variable| variable.name.len() + variable.value.len() + 1).sum();
        if bytes > ENVIRONMENT_BYTES_MAX {
            let expected = format!("at most {ENVIRONMENT_BYTES_MAX} can be shown to a person");
            return Err(Malformed::at("the environment", format!("has {bytes} bytes"), expected));
        }
        for (index, variable) in variables.iter().enumerate() {
            if variables.iter().skip(index + 1).any(|other| other.name == variable.name) {
                return Err(Malformed::new("the environment", &variable.name, "each name stands there once"));
            }
        }
        Ok(Self(variables))
    }

    /// The variables.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.0
    }

    /// Whether nothing is added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Variable {
    /// Takes `NAME=value`. A name is a letter or `_`, then those and digits (POSIX.1-2017, 8.1); the value has no NUL.
    ///
    /// # Errors
    ///
    /// If it has another form.
    pub fn new(assignment: &[u8]) -> Result<Self, Malformed> {
        let wrong = || {
            let text = command::to_wire(assignment);
            Malformed::new("a variable", &text, "expected NAME=value; a name is letters, digits and \"_\"")
        };
        let at = assignment.iter().position(|&b| b == b'=').ok_or_else(wrong)?;
        let (name, value) = assignment.split_at(at);
        let starts = name.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
        let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !starts || !plain || value.contains(&0) {
            return Err(wrong());
        }
        let name = name.iter().copied().map(char::from).collect();
        Ok(Self { name, value: value.get(1..).unwrap_or_default().to_vec() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, not necessarily UTF-8.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// `NAME=value`, as execve(2) takes it.
    #[must_use]
    pub fn assignment(&self) -> Vec<u8> {
        [self.name.as_bytes(), b"=", &self.value].concat()
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&command::word(&self.assignment()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variable(text: &str) -> Variable {
        Variable::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn variables_and_identities_are_refused_when_malformed() {
        for bad in ["", "=", "=x", "A", "1A=x", "A B=x", "A-B=x", "Ä=x", "A\n=x", "A=x\0"] {
            assert!(Variable::new(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let hash = "a".repeat(64);
        for bad in [
            "",
            "1",
            "1:",
            ":1",
            "01:1",
            "+1:1",
            "1:2:",
            "1:2:ab",
            &format!("1:2:{hash}:"),
            &format!("x:2:{hash}"),
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn environment_is_bounded_and_names_stand_once() {
        assert!(Environment::new(vec![variable("A=1"), variable("B=")]).is_ok());
        assert!(Environment::new(vec![variable("A=1"), variable("A=2")]).is_err());
        assert!(
            Environment::new(vec![variable(&format!("A={}", "x".repeat(ENVIRONMENT_BYTES_MAX)))]).is_err()
        );
        let many = (0..=VARIABLES_MAX).map(|n| variable(&format!("A{n}="))).collect();
        assert!(Environment::new(many).is_err());
    }

    proptest! {
        #[test]
        fn identity_is_read_as_it_is_written(device: u64, inode: u64, sha256: Option<[u8; 32]>) {
            let identity = Identity { device, inode, sha256 };
            prop_assert_eq!(identity.to_string().parse(), Ok(identity));
        }

        #[test]
        fn assignment_is_taken_apart_where_its_first_equals_sign_is(
            name in "[A-Za-z_][A-Za-z0-9_]{0,8}",
            value in prop::collection::vec(1..=255_u8, 0..9),
        ) {
            let assignment = [name.as_bytes(), b"=", &value].concat();
            let read = Variable::new(&assignment).unwrap();
            prop_assert_eq!((read.name(), read.value()), (name.as_str(), value.as_slice()));
            prop_assert_eq!(read.assignment(), assignment);
        }

        #[test]
        fn no_assignment_panics(bytes: Vec<u8>) {
            let _ = Variable::new(&bytes);
        }
    }
}
