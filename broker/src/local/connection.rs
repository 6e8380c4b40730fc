//! One connection: lines in, lines out.

use nuketown::{Problem, values::AgentName};
use nuketown_approval::socket::{FromBroker, FromClient, LINE_BYTES_MAX};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use crate::engine::{Client, Input, Told};

/// What a client has not been told yet at most. It is told once or twice for each request that it may have open.
const UNTOLD: usize = 256;

/// Serves a client that is an agent, until either side ends the connection.
pub(super) async fn run(
    mut stream: UnixStream,
    connection: u64,
    agent: AgentName,
    by: String,
    inputs: &mpsc::Sender<Input>,
) {
    let (tell, told) = mpsc::channel(UNTOLD);
    let client = Client { connection, agent, by, tell, remote: false };
    let (read, mut write) = stream.split();
    let mut lines = Lines { source: BufReader::new(read), line: Vec::new() };
    // Whatever ends it: what is open is withdrawn.
    if let Err(problem) = exchange(&mut lines, &mut write, client, told, inputs).await {
        let line = FromBroker::Error { id: None, problem }.to_line();
        // The client may be gone.
        let _ = write.write_all(line.as_bytes()).await;
    }
    let _ = inputs.send(Input::Gone(connection)).await;
}

/// Tells a client that it may not ask, and closes.
pub(super) async fn refuse(mut stream: UnixStream, uid: u32, why: String, inputs: &mpsc::Sender<Input>) {
    let problem = Problem::new("you may not ask for approvals", why.clone())
        .hint("agents are users with the agent's name, or as agents.<name>.user in broker.toml says");
    let line = FromBroker::Error { id: None, problem }.to_line();
    let _ = inputs.send(Input::Turned { by: format!("uid {uid}"), reason: why }).await;
    let _ = stream.write_all(line.as_bytes()).await;
}

/// Passes lines on until the client is done. An error is a line that cannot be read.
async fn exchange(
    lines: &mut Lines<impl AsyncBufRead + Unpin>,
    write: &mut (impl AsyncWrite + Unpin),
    client: Client,
    mut told: mpsc::Receiver<(u64, Told)>,
    inputs: &mpsc::Sender<Input>,
) -> Result<(), Problem> {
    loop {
        tokio::select! {
            biased;
            told = told.recv() => {
                let Some((_, told)) = told else { return Ok(()) };
                if write.write_all(line_of(told).as_bytes()).await.is_err() {
                    return Ok(());
                }
            }
            line = lines.next() => {
                let Some(line) = line? else { return Ok(()) };
                let input = match FromClient::from_line(&line)? {
                    FromClient::Request(ask) => Input::Ask(client.clone(), ask),
                    FromClient::Spend { id, digest } => Input::Spend(client.clone(), id, digest),
                    FromClient::Cancel { id } => Input::Cancel(client.clone(), id),
                };
                if inputs.send(input).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn line_of(told: Told) -> String {
    match told {
        Told::Waiting(waiting) => FromBroker::Waiting(waiting),
        Told::Decision(_, decision) => FromBroker::Decision(decision),
        Told::Spent(id, digest) => FromBroker::Spent { id, digest },
        Told::Refused(id, problem) => FromBroker::Error { id, problem },
    }
    .to_line()
}

/// Reads lines of a bounded length.
struct Lines<R> {
    source: R,
    /// What was read of the next line.
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The next whole line; None at the end. May be dropped and called again. A last line without its end is not one: its
    /// sender was cut off.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len()) as u64;
        match (&mut self.source).take(room).read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.ends_with(b"\n") && self.line.len() <= LINE_BYTES_MAX => {
                Ok(Some(std::mem::take(&mut self.line)))
            }
            Ok(_) if self.line.len() > LINE_BYTES_MAX => {
                let cause = format!("it has more than {LINE_BYTES_MAX} bytes");
                Err(Problem::new("the line is too long", cause))
            }
            // The end, or a connection that broke: the same thing here.
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (usize, Option<Problem>) {
        let mut lines = Lines { source: BufReader::new(bytes), line: Vec::new() };
        let mut count = 0;
        loop {
            match lines.next().await {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, None),
                Err(problem) => return (count, Some(problem)),
            }
        }
    }

    #[tokio::test]
    async fn line_is_whole_and_bounded() {
        assert_eq!(read(b"a\nb\n").await, (2, None));
        assert_eq!(read(b"a\nb").await, (1, None));
        assert_eq!(read(b"").await, (0, None));
        let longest = [vec![b'x'; LINE_BYTES_MAX - 1], vec![b'\n']].concat();
        assert_eq!(read(&longest).await, (1, None));
        let (count, problem) = read(&[vec![b'x'; LINE_BYTES_MAX], vec![b'\n']].concat()).await;
        assert_eq!((count, problem.unwrap().what.as_str()), (0, "the line is too long"));
    }
}
