//! `<approval/>`: from texts to a [`Request`] and back.

use jiff::Timestamp;
use nuketown::values::Malformed as Unfit;

use super::{NAMESPACE, StanzaError, only_foreign, raw, seconds};
use crate::{
    AbsolutePath, Argv, Environment, Malformed, Payload, Request, UnixName, Variable, command,
    request::{Delegate, Kind, Network, Scale, Sudo},
};

pub(super) fn to_raw(request: &Request) -> raw::Approval {
    let mut raw = raw::Approval {
        id: request.id.to_string(),
        agent: request.agent.to_string().into(),
        kind: request.payload.kind().to_string().into(),
        command: None,
        argv: None,
        program: None,
        identity: None,
        env: Vec::new(),
        user: None,
        group: None,
        task: None,
        agents: None,
        from: None,
        to: None,
        egress: Vec::new(),
        duration: None,
        timeout: request.timeout.map(|seconds| seconds.to_string().into()),
        cwd: request.cwd.as_ref().map(|cwd| path_text(cwd).into()),
        host: request.host.as_ref().map(|host| host.to_string().into()),
        nonce: request.nonce.map(|nonce| nonce.to_string().into()),
        expires: request.expires.map(|at| at.to_string().into()),
        digest: Some(request.digest().to_string().into()),
        others: Vec::new(),
    };
    put(&mut raw, &request.payload);
    raw
}

/// Fills in the elements of the payload's kind.
fn put(raw: &mut raw::Approval, payload: &Payload) {
    match payload {
        Payload::Sudo(sudo) => {
            let args =
                sudo.argv.arguments().iter().map(|argument| command::to_wire(argument).into()).collect();
            raw.command = Some(sudo.argv.to_text().into());
            raw.argv = Some(raw::ArgvElement { args });
            raw.program = sudo.program.as_ref().map(|program| path_text(program).into());
            raw.identity = sudo.identity.map(|identity| identity.to_string().into());
            let variables = sudo.environment.variables().iter();
            raw.env = variables.map(|variable| command::to_wire(&variable.assignment()).into()).collect();
            raw.user = Some(&sudo.user)
                .filter(|user| **user != UnixName::root())
                .map(|user| user.to_string().into());
            raw.group = sudo.group.as_ref().map(|group| group.to_string().into());
        }
        Payload::Delegate(Delegate { task, agents }) => {
            raw.task = Some(command::to_wire(task.as_str().as_bytes()).into());
            raw.agents = Some(agents.to_string().into());
        }
        Payload::Scale(Scale { from, to }) => {
            raw.from = Some(from.to_string().into());
            raw.to = Some(to.to_string().into());
        }
        Payload::Network(network) => {
            raw.egress = network.egress().iter().map(|egress| egress.to_string().into()).collect();
            raw.duration = network.duration.map(|seconds| seconds.to_string().into());
        }
    }
}

fn path_text(path: &AbsolutePath) -> String {
    command::to_wire(path.as_bytes())
}

pub(super) fn from_raw(mut raw: raw::Approval) -> Result<Request, StanzaError> {
    only_foreign(&raw.others)?;
    let payload = payload(&mut raw)?;
    let request = Request {
        id: raw.id.parse()?,
        agent: value("<agent>", &raw.agent.text)?,
        payload,
        cwd: raw.cwd.map(|cwd| path("<cwd>", &cwd.text)).transpose()?,
        host: raw.host.map(|host| value("<host>", &host.text)).transpose()?,
        nonce: raw.nonce.map(|nonce| nonce.text.trim().parse()).transpose()?,
        expires: raw.expires.map(|expires| instant("<expires>", &expires.text)).transpose()?,
        timeout: raw.timeout.map(|timeout| seconds("<timeout>", &timeout.text)).transpose()?,
    };
    if let Some(digest) = raw.digest
        && digest.text.trim().parse::<crate::Digest>()? != request.digest()
    {
        return Err(
            Malformed::new("<digest>", &digest.text, "it is not that of this request; ask again").into()
        );
    }
    Ok(request)
}

/// Takes the elements of the kind, and sees that none of another kind is left.
fn payload(raw: &mut raw::Approval) -> Result<Payload, Malformed> {
    let payload = match raw.kind.text.trim().parse()? {
        Kind::Sudo => Payload::Sudo(sudo(raw)?),
        Kind::Delegate => {
            let task = needed("<task>", raw.task.take())?.text;
            let bytes = command::from_wire("<task>", &task)?;
            let task =
                String::from_utf8(bytes).map_err(|_| Malformed::new("<task>", &task, "expected UTF-8"))?;
            Payload::Delegate(Delegate {
                task: task.parse()?,
                agents: needed("<agents>", raw.agents.take())?.text.trim().parse()?,
            })
        }
        Kind::Scale => Payload::Scale(Scale {
            from: value("<from>", &needed("<from>", raw.from.take())?.text)?,
            to: value("<to>", &needed("<to>", raw.to.take())?.text)?,
        }),
        Kind::Network => {
            let egress = std::mem::take(&mut raw.egress);
            let egress =
                egress.iter().map(|egress| value("<egress>", &egress.text)).collect::<Result<_, _>>()?;
            let duration = raw.duration.take().map(|text| seconds("<duration>", &text.text)).transpose()?;
            Payload::Network(Network::new(egress, duration)?)
        }
    };
    match left_over(raw) {
        Some(element) => Err(Malformed::at(
            &format!("<{element}>"),
            format!("stands in a request of kind {}", payload.kind()),
            "each kind has its own elements",
        )),
        None => Ok(payload),
    }
}

fn sudo(raw: &mut raw::Approval) -> Result<Sudo, Malformed> {
    let shown = Argv::parse_text(&needed("<command>", raw.command.take())?.text)?;
    if let Some(argv) = raw.argv.take() {
        let exact =
            argv.args.iter().map(|arg| command::from_wire("<arg>", &arg.text)).collect::<Result<_, _>>()?;
        let exact = Argv::new(exact)?;
        if exact != shown {
            let expected = format!("<argv> says {}; send the same command in both", exact.to_text());
            return Err(Malformed::new("<command>", &shown.to_text(), expected));
        }
    }
    Ok(Sudo {
        argv: shown,
        program: raw.program.take().map(|program| path("<program>", &program.text)).transpose()?,
        identity: raw.identity.take().map(|identity| identity.text.trim().parse()).transpose()?,
        environment: environment(std::mem::take(&mut raw.env))?,
        user: raw.user.take().map_or(Ok(UnixName::root()), |user| user.text.trim().parse())?,
        group: raw.group.take().map(|group| group.text.trim().parse()).transpose()?,
    })
}

fn environment(raw: Vec<raw::Env>) -> Result<Environment, Malformed> {
    let variable = |env: raw::Env| Variable::new(&command::from_wire("<env>", &env.text)?);
    Environment::new(raw.into_iter().map(variable).collect::<Result<_, _>>()?)
}

fn left_over(raw: &raw::Approval) -> Option<&'static str> {
    [
        (raw.command.is_some(), "command"),
        (raw.argv.is_some(), "argv"),
        (raw.program.is_some(), "program"),
        (raw.identity.is_some(), "identity"),
        (!raw.env.is_empty(), "env"),
        (raw.user.is_some(), "user"),
        (raw.group.is_some(), "group"),
        (raw.task.is_some(), "task"),
        (raw.agents.is_some(), "agents"),
        (raw.from.is_some(), "from"),
        (raw.to.is_some(), "to"),
        (!raw.egress.is_empty(), "egress"),
        (raw.duration.is_some(), "duration"),
    ]
    .into_iter()
    .find_map(|(is_left, name)| is_left.then_some(name))
}

fn needed<T>(place: &str, element: Option<T>) -> Result<T, Malformed> {
    element.ok_or_else(|| Malformed::at(place, "is missing", format!("its kind needs it ({NAMESPACE})")))
}

/// A value of the town's own types.
fn value<T: std::str::FromStr<Err = Unfit>>(place: &str, text: &str) -> Result<T, Malformed> {
    let text = text.trim();
    text.parse().map_err(|why: Unfit| Malformed::new(place, text, why.to_string()))
}

fn path(place: &str, text: &str) -> Result<AbsolutePath, Malformed> {
    AbsolutePath::new(command::from_wire(place, text)?)
        .map_err(|_| Malformed::new(place, text, "expected an absolute path without . and .."))
}

/// `CCYY-MM-DDThh:mm:ss[.s]Z` (XEP-0082): UTC only, so that nobody reads another instant.
pub(crate) fn instant(place: &str, text: &str) -> Result<Timestamp, Malformed> {
    let text = text.trim();
    let shape = text.bytes().enumerate().all(|(index, b)| match index {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        19 if text.len() > 20 => b == b'.',
        _ if index + 1 == text.len() => b == b'Z',
        _ => b.is_ascii_digit(),
    });
    text.parse()
        .ok()
        .filter(|_| shape && (20..=30).contains(&text.len()) && text.len() != 21)
        .ok_or_else(|| Malformed::new(place, text, "expected an instant in UTC such as 2026-11-24T12:00:00Z"))
}
