//! The local socket: JSON lines, for the user that the daemon runs as.
//!
//! # Invariants
//!
//! - Who speaks is what the kernel says (`SO_PEERCRED`, unix(7)), and only the daemon's own user is heard.
//! - A line has at most [`LINE_MAX`] bytes; a connection that sends a longer one is closed.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;
use crate::service::Asked;
use crate::store::Store;
use crate::wire::{self, Answer, Ask, LINE_MAX};

/// Connections at once; the next ones wait.
const CONNECTIONS_MAX: usize = 64;
/// Lines that are read from the store at once.
const PAGE: u32 = 500;

/// What a connection needs.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where requests go.
    pub asked: mpsc::Sender<Asked>,
    /// Where lines are read.
    pub store: Store,
    /// Changes when there are more lines.
    pub grown: watch::Receiver<u64>,
}

/// A socket that is listened on. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Listening {
    /// Listens at `path`, for the current user alone. A socket that a daemon left behind is replaced; the lock of the store makes
    /// sure that there is no other one.
    ///
    /// # Errors
    ///
    /// The path cannot be used, or holds something that is no socket.
    pub fn at(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let owner = rustix::process::geteuid().as_raw();
        Ok(Self { listener, path: path.to_owned(), owner })
    }

    /// Serves until it is told to stop.
    pub async fn serve(self, service: Service, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // A client that is gone already, or no descriptor left: the next one may succeed.
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::task::yield_now().await;
                        continue;
                    }
                },
            };
            let (service, stop, owner) = (service.clone(), stop.clone(), self.owner);
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    result = converse(stream, service, owner) => {
                        if let Err(error) = result {
                            tracing::debug!(%error, "a connection ended");
                        }
                    }
                }
                drop(permit);
            });
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Whoever starts next replaces it anyway.
        drop(fs::remove_file(&self.path));
    }
}

async fn converse(stream: UnixStream, mut service: Service, owner: u32) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    if uid != owner {
        tracing::warn!(uid, "another user is not heard");
        let refusal = Answer::error(
            "the request is refused",
            format!("the agent hears user {owner} here, and you are user {uid}"),
        );
        return say(&mut write, &refusal).await;
    }
    let mut read = BufReader::new(read);
    while let Some(line) = next_line(&mut read).await? {
        match wire::read(&line) {
            Ok(Ask::Log { task, follow: true }) => follow(&mut read, &mut write, &mut service, task).await?,
            Ok(ask) => say(&mut write, &service.ask(uid, ask).await).await?,
            Err(refusal) => say(&mut write, &refusal).await?,
        }
    }
    Ok(())
}

/// The next line; a longer one than allowed is an error, an incomplete last one is none.
async fn next_line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_MAX + 1).unwrap_or(u64::MAX);
    read.take(limit).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return if line.len() >= LINE_MAX {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"))
        } else {
            Ok(None)
        };
    }
    String::from_utf8(line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Says what happens until the client is gone.
async fn follow(
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
    service: &mut Service,
    task: Option<crate::task::TaskId>,
) -> io::Result<()> {
    let mut last = 0;
    loop {
        service.grown.mark_unchanged();
        match service.store.lines(task, last, PAGE) {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                last = lines.last().map_or(last, |line| line.id);
                say(write, &Answer::Log { lines }).await?;
            }
            Err(error) => return say(write, &Answer::error("cannot read the log", error.to_string())).await,
        }
        let mut byte = [0];
        tokio::select! {
            changed = service.grown.changed() => if changed.is_err() { return Ok(()) },
            // Whatever comes ends it: a client that follows has nothing more to say.
            gone = read.read(&mut byte) => return gone.map(drop),
        }
    }
}

async fn say(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    write.write_all(format!("{}\n", answer.to_json()).as_bytes()).await
}

impl Service {
    async fn ask(&self, uid: u32, ask: Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        let asked = Asked { peer: Peer::Owner(uid), ask, reply };
        let sent = self.asked.send(asked).await;
        match (sent, answer.await) {
            (Ok(()), Ok(answer)) => answer,
            _ => Answer::error("the daemon is about to stop", "it takes no more requests"),
        }
    }
}
