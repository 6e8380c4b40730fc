//! The socket on which local agents ask.
//!
//! # Invariants
//!
//! - Who asks is the uid of the connection (`SO_PEERCRED`, unix(7)), as it was when it was made. No line can say otherwise.
//! - A line is at most 64 KiB, and each connection and each user holds a bounded amount of memory.
//! - A connection that ends, whatever ended it, withdraws what it asked for.

mod bind;
mod connection;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use nix::unistd::{Uid, User};
use nuketown::values::AgentName;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
};

use crate::{
    config::{Agents, Users},
    engine::Input,
    report,
};
pub use bind::{Bound, bind};

/// Connections at once, in all. More wait until one of them ends.
const CONNECTIONS_MAX: usize = 4096;

/// Connections at once of one user. More are refused.
const CONNECTIONS_PER_USER: usize = 64;

/// The system's user database.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemUsers;

impl Users for SystemUsers {
    fn name(&self, uid: u32) -> Result<Option<String>, String> {
        User::from_uid(Uid::from_raw(uid))
            .map(|user| user.map(|user| user.name))
            .map_err(|error| format!("the user database cannot be read: {error}"))
    }
}

/// Serves the socket until the engine is gone.
pub async fn serve(listener: UnixListener, agents: Agents, inputs: mpsc::Sender<Input>) {
    let agents = Arc::new(agents);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let users = PerUser::default();
    let mut number = 0_u64;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, mostly: connections that end make room again.
                    report::warn(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = inputs.closed() => return,
        };
        // Odd numbers; remote agents have the even ones.
        number += 1;
        let (agents, inputs, users) = (Arc::clone(&agents), inputs.clone(), users.clone());
        let connection = number * 2 + 1;
        tokio::spawn(async move {
            let _place = place;
            serve_one(stream, connection, &agents, &users, &inputs).await;
        });
    }
}

async fn serve_one(
    stream: UnixStream,
    connection: u64,
    agents: &Arc<Agents>,
    users: &PerUser,
    inputs: &mpsc::Sender<Input>,
) {
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => {
            report::warn(&format!("cannot tell who connected: {error}"));
            return;
        }
    };
    let Some(_place) = users.enter(uid) else {
        let why = format!("you have {CONNECTIONS_PER_USER} connections; close one");
        connection::refuse(stream, uid, why, inputs).await;
        return;
    };
    match authenticated(uid, Arc::clone(agents)).await {
        Ok((agent, by)) => connection::run(stream, connection, agent, by, inputs).await,
        Err(why) => connection::refuse(stream, uid, why, inputs).await,
    }
}

/// Which agent a uid is, and how that is said.
async fn authenticated(uid: u32, agents: Arc<Agents>) -> Result<(AgentName, String), String> {
    // The user database may be on the network.
    let found = tokio::task::spawn_blocking(move || agents.by_uid(uid, &SystemUsers)).await;
    let agent = found.map_err(|_| "the user database cannot be read".to_owned())??;
    Ok((agent, format!("uid {uid}")))
}

/// How many connections each user has.
#[derive(Clone, Debug, Default)]
struct PerUser(Arc<Mutex<HashMap<u32, usize>>>);

struct Place {
    users: PerUser,
    uid: u32,
}

impl PerUser {
    fn enter(&self, uid: u32) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uid).or_default();
        if *count >= CONNECTIONS_PER_USER {
            return None;
        }
        *count += 1;
        Some(Place { users: self.clone(), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.users.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}
