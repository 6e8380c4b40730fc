//! A session without a terminal.

use nuketown::Problem;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Context, Outcome, Part, Place, Progress, Stopped, Talk, privileged::Door, prompt, report};
use crate::api::Client;
use crate::task::Task;
use crate::tools::SESSION;

/// Works on `task` until the model is done, or the time is up.
pub(super) async fn work(
    task: &Task,
    context: &Context,
    place: &Place,
    events: &mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Result<Outcome, Stopped> {
    let client = client(context)?;
    let mut place = place.clone();
    let door = Door::open(context, &mut place)?;
    let place = &place;
    let start = report::start(context, task.id, place, cancel).await?;
    let (branch, _) = report::work(place, start.as_deref(), cancel).await?;
    let conversation = Talk {
        context,
        client,
        task: task.id,
        part: Part::Work,
        model: &context.model,
        system: prompt::system(context, place),
        tools: SESSION,
        sandbox: &place.sandbox,
        turns: context.limits.turns,
        budget: context.limits.task,
        events,
        // Ended with the session's time as well as from outside.
        cancel: &cancel.child_token(),
    };
    let first = prompt::task(task, branch.as_deref());
    let limit = context.limits.time;
    let summary = tokio::select! {
        summary = conversation.run(&first) => summary?,
        () = open(door.as_ref(), events) => return Err(Problem::new("the session broke off", "its way to sudo is gone").into()),
        () = tokio::time::sleep(limit) => return Err(too_long(context)),
    };
    let (branch, commits) = report::work(place, start.as_deref(), cancel).await?;
    let cost = context.journal.spent_on(task.id)?;
    Ok(Outcome::Done { summary, branch, commits, cost })
}

/// Answers at the door; for ever, where there is none.
async fn open(door: Option<&Door>, events: &mpsc::Sender<Progress>) {
    match door {
        Some(door) => door.serve(events).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn client(context: &Context) -> Result<&Client, Problem> {
    context.client.as_ref().ok_or_else(|| {
        Problem::new("no headless session can run", "the agent has no key for the AI API".to_owned())
            .hint("set agents.<name>.daemon.apiKeySecret")
    })
}

fn too_long(context: &Context) -> Stopped {
    let cause = format!("it was stopped after {} seconds", context.limits.time.as_secs());
    Problem::new("the session took too long", cause)
        .hint("give the task in smaller parts, or raise daemon.headlessTimeout")
        .into()
}
