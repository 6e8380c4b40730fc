//! The listening socket: systemd's, or one of our own.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener as StdListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use listenfd::ListenFd;
use nuketown::Problem;
use tokio::net::UnixListener;

/// A socket that listens. Its file is removed when it is dropped, unless systemd made it.
#[derive(Debug)]
pub struct Bound {
    listener: Option<StdListener>,
    own: Option<PathBuf>,
}

impl Bound {
    /// The listener, in the current tokio runtime; once.
    ///
    /// # Errors
    ///
    /// The system does not let it be waited for.
    pub fn listen(&mut self) -> io::Result<UnixListener> {
        let listener = self.listener.take().ok_or(io::ErrorKind::NotConnected)?;
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(path) = &self.own {
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Takes the socket that systemd passes (`sd_listen_fds(3)`), or makes one at `path` to which every user may connect: what a user
/// may do there depends on its uid.
///
/// # Errors
///
/// The socket cannot be made, others could replace it, or another broker listens there.
pub fn bind(path: &Path) -> Result<Bound, Problem> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 0 {
        let wrong = |why: String| {
            Problem::new("cannot use the socket that systemd passes", why)
                .hint("the .socket unit needs one line ListenStream=/run/nuketown-broker/socket")
        };
        if passed.len() > 1 {
            return Err(wrong(format!("there are {}; expected one", passed.len())));
        }
        let listener = passed.take_unix_listener(0).map_err(|error| wrong(error.to_string()))?;
        return Ok(Bound { listener, own: None });
    }
    check_directory(path)?;
    remove_stale(path)?;
    let listener = StdListener::bind(path).map_err(|error| cannot(path, &error))?;
    let bound = Bound { listener: Some(listener), own: Some(path.to_owned()) };
    fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(|error| cannot(path, &error))?;
    Ok(bound)
}

fn check_directory(path: &Path) -> Result<(), Problem> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let metadata = directory.metadata().map_err(|error| cannot(path, &error))?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o022 != 0 || (metadata.uid() != own && metadata.uid() != 0) {
        let cause = format!("others may put their own socket into {}", directory.display());
        return Err(Problem::new("the socket is not safe", cause)
            .hint("name a directory of the broker's own, as RuntimeDirectory=nuketown-broker makes it"));
    }
    Ok(())
}

/// Removes the socket of a broker that was killed; one that somebody listens on stays.
fn remove_stale(path: &Path) -> Result<(), Problem> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        let cause = format!("{} is there and is no socket", path.display());
        return Err(Problem::new("cannot listen for requests", cause).hint("move it away"));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| cannot(path, &error))
        }
        _ => {
            let cause = format!("another broker listens at {}", path.display());
            Err(Problem::new("cannot listen for requests", cause)
                .hint("stop it, or give this one its own `socket`"))
        }
    }
}

fn cannot(path: &Path, error: &io::Error) -> Problem {
    Problem::new("cannot listen for requests", format!("{}: {error}", path.display()))
        .hint("the directory has to be there and to be the broker's own; write `socket = …` into broker.toml for another")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        (directory, path)
    }

    #[test]
    fn socket_of_a_killed_broker_is_replaced_and_one_in_use_is_not() {
        let (_directory, path) = place();
        drop(StdListener::bind(&path).unwrap());
        let bound = bind(&path).unwrap();
        assert!(bind(&path).unwrap_err().cause.contains("another broker listens"));
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn socket_that_others_could_replace_is_not_made() {
        let (directory, path) = place();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(bind(&path).unwrap_err().what, "the socket is not safe");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path).unwrap_err().cause.contains("is no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
