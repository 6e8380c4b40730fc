//! What a session has left in git.

use nuketown::Problem;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Context, Place, Stopped, git,
    transcript::{Role, Turn},
};
use crate::api::visible;
use crate::task::TaskId;

/// The part of the journal that says where the work began.
const START: &str = "start";
/// The most commits that are listed.
const COMMITS_MAX: usize = 50;

/// The commit that the work began at, as the journal has it, or else the one that is checked out, which is journaled. None in a
/// workspace without commits.
pub(super) async fn start(
    context: &Context,
    task: TaskId,
    place: &Place,
    cancel: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    let turns = context.journal.turns(task)?;
    let noted = turns
        .iter()
        .filter_map(|line| serde_json::from_str::<Turn>(line).ok())
        .find(|turn| turn.part == START);
    if let Some(turn) = noted {
        return Ok(turn.content.first().and_then(|commit| commit.as_str()).map(ToOwned::to_owned));
    }
    let commit = git(&place.sandbox, &["rev-parse", "--verify", "HEAD^{commit}"], cancel).await?;
    let turn = Turn { part: START.to_owned(), role: Role::Note, content: vec![json!(commit)] };
    let line = serde_json::to_string(&turn)
        .map_err(|why| Problem::new("cannot journal the start", why.to_string()))?;
    context.journal.journal_turn(task, &line)?;
    Ok(commit)
}

/// The branch that is checked out, and the commits since `start`, the newest last.
pub(super) async fn work(
    place: &Place,
    start: Option<&str>,
    cancel: &CancellationToken,
) -> Result<(Option<String>, Vec<String>), Stopped> {
    let branch = git(&place.sandbox, &["symbolic-ref", "--short", "HEAD"], cancel).await?;
    // A commit's name is hexadecimal, whatever a workspace's git says it is.
    let start = start.filter(|commit| commit.chars().all(|c| c.is_ascii_hexdigit()));
    let range = start.map_or_else(|| "HEAD".to_owned(), |start| format!("{start}..HEAD"));
    let log =
        git(&place.sandbox, &["log", "--no-color", "--format=%h %s", "--max-count=50", &range, "--"], cancel)
            .await?;
    let commits = log.unwrap_or_default();
    let mut commits: Vec<String> =
        commits.lines().take(COMMITS_MAX).map(visible).filter(|line| !line.is_empty()).collect();
    commits.reverse();
    Ok((branch.map(|branch| visible(&branch)), commits))
}
