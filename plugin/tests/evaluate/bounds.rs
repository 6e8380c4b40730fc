//! Time, memory and output are bounded, and nothing is left running.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

use crate::world::{Nix, Outcome, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    an_evaluation_that_never_ends_is_ended,
    hosts_that_never_end_are_named_as_the_slow_part,
    a_server_that_does_not_answer_is_named_as_the_slow_part,
    an_endless_list_runs_out_of_memory,
    a_huge_value_runs_out_of_memory,
    too_little_memory_to_start_is_memory,
    endless_recursion_is_a_stack_overflow,
    a_town_that_is_too_large_is_refused,
    a_flood_of_messages_does_not_matter,
    nix_runs_in_a_session_of_its_own_within_its_limits,
    an_interrupt_ends_the_evaluation_and_then_the_program,
    an_ignored_signal_stays_ignored,
    a_killed_program_takes_the_evaluation_with_it,
    a_process_that_nix_left_behind_is_ended,
    a_nix_that_crashes_is_an_error,
    a_nix_that_fails_after_its_answer_has_failed,
    a_nix_that_goes_on_after_its_answer_is_heard_out,
    a_nix_that_cannot_be_started_is_an_error,
    a_missing_nix_is_an_error,
    an_old_nix_is_an_error,
    the_launcher_does_nothing_for_strangers,
];

/// Runs for years in constant memory.
const LOOP: &str = "let go = n: builtins.foldl' (a: _: a + (if n == 0 then 1 else go (n - 1))) 0 (builtins.genList (x: x) 1000); in go 9";

const MIB: u64 = 1024 * 1024;

fn an_evaluation_that_never_ends_is_ended(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", LOOP);
    let outcome = world.evaluate(&[&flake, "--timeout-ms", "1500"]);
    let (cause, hint) = outcome.fails("TimedOut", 4);
    assert_eq!(cause, "evaluating the town was not done after 1.5 s");
    assert!(hint.contains("--timeout"), "{hint}");
}

fn hosts_that_never_end_are_named_as_the_slow_part(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with(
        "town",
        "",
        &format!("{{ nixosConfigurations.web.config.nuketown.town.x = {LOOP}; }}"),
    );
    let (cause, _) = world.evaluate(&[&flake, "--timeout-ms", "1500"]).fails("TimedOut", 4);
    assert_eq!(cause, "evaluating the towns of `nixosConfigurations` was not done after 1.5 s");
}

fn a_server_that_does_not_answer_is_named_as_the_slow_part(nix: &Nix) {
    let world = World::new(nix);
    // It accepts connections (the kernel does, up to the backlog) and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/town.tar.gz", listener.local_addr().unwrap());
    let (cause, _) = world.evaluate(&[&url, "--timeout-ms", "1500"]).fails("TimedOut", 4);
    assert_eq!(
        cause,
        format!("fetching the flake or its inputs (downloading '{url}') was not done after 1.5 s")
    );
}

fn an_endless_list_runs_out_of_memory(nix: &Nix) {
    let world = World::new(nix);
    let endless = "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; })";
    let flake = world.flake("town", endless);
    let (cause, _) = world.evaluate(&[&flake, "--memory", &(300 * MIB).to_string()]).fails("OutOfMemory", 3);
    assert_eq!(cause, "it needs more than the 300 MiB of memory that it may have");
}

fn a_huge_value_runs_out_of_memory(nix: &Nix) {
    let world = World::new(nix);
    for town in [
        "builtins.length (builtins.genList (x: x) 2000000000)",
        r#"builtins.stringLength (builtins.foldl' (a: _: a + a) "0123456789abcdef" (builtins.genList (x: x) 60))"#,
    ] {
        let flake = world.flake("town", town);
        world.evaluate(&[&flake, "--memory", &(600 * MIB).to_string()]).fails("OutOfMemory", 3);
    }
}

fn too_little_memory_to_start_is_memory(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    world.evaluate(&[&flake, "--memory", &(16 * MIB).to_string()]).fails("OutOfMemory", 3);
}

fn endless_recursion_is_a_stack_overflow(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", "let f = x: 1 + f (x + 1); in f 0");
    world.evaluate(&[&flake]).fails("StackOverflow", 3);
    let flake = world.flake("town", "let x = x; in x");
    let (cause, _) = world.evaluate(&[&flake]).fails("Evaluation", 3);
    assert!(cause.starts_with("infinite recursion encountered"), "{cause}");
}

fn a_town_that_is_too_large_is_refused(nix: &Nix) {
    let world = World::new(nix);
    let text = r#"builtins.foldl' (a: _: a + a) "0123456789abcdef" (builtins.genList (x: x) 22)"#;
    let flake = world.flake("town", &format!("{{ domain = {text}; }}"));
    let (cause, _) = world.evaluate(&[&flake]).fails("TooLarge", 3);
    assert_eq!(cause, "as JSON it has more than 32 MiB");
    // Half of that is read, and is no reason to stall.
    let flake = world.flake("town", &format!("{{ domain = {}; }}", text.replace("22", "20")));
    assert_eq!(world.evaluate(&[&flake]).town()["domain"].as_str().unwrap().len(), 16 * 1024 * 1024);
}

fn a_flood_of_messages_does_not_matter(nix: &Nix) {
    let world = World::new(nix);
    let noise = r#"builtins.foldl' (a: n: builtins.trace "noise ${toString n}" a) 1 (builtins.genList (x: x) 100000)"#;
    let flake = world.flake("town", &format!("{{ a = {noise}; }}"));
    assert_eq!(world.evaluate(&[&flake]).town()["a"], 1);
    world.wrap_nix("yes 'warning: this is noise' | head -c 20000000 >&2");
    assert_eq!(world.evaluate(&[&flake]).town()["a"], 1);
}

/// An evaluation that has reached Nix. Nix waits for nothing, but the test knows its process from here on.
struct Running {
    world: World,
    program: Child,
    nix: u32,
}

impl Running {
    /// Starts an endless evaluation, by way of `wrapper` (a shell, or the program itself).
    fn start(nix: &Nix, wrapper: Option<&str>) -> Self {
        let world = World::new(nix);
        let flake = world.flake("town", LOOP);
        let fifo = world.path("started");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // Process numbers stay the same over `exec`. Whoever opens a FIFO waits for the other side.
        world.wrap_nix(&format!("echo $$ > '{}'", fifo.display()));
        let direct = world.command(&[&flake, "--timeout-ms", "60000"]);
        let mut command = match wrapper {
            None => direct,
            Some(script) => {
                let mut command = Command::new("sh");
                command
                    .args(["-c", script, "sh"])
                    .arg(direct.get_program())
                    .args(direct.get_args())
                    .env_clear();
                command.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
                command.current_dir(direct.get_current_dir().unwrap());
                command
            }
        };
        let program =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let nix = fs::read_to_string(&fifo).unwrap().trim().parse().unwrap();
        Self { world, program, nix }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.program.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// The field of `/proc/PID/stat` with this number, counted as in `proc_pid_stat(5)`.
    fn stat(&self, field: usize) -> u32 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.nix)).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(field - 3).unwrap().parse().unwrap()
    }

    fn end(mut self) -> Outcome {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.program.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.program.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.program.wait().unwrap();
        self.world.assert_nothing_runs();
        let report = serde_json::from_str(&stdout).unwrap_or(Value::Null);
        Outcome { status, report, stderr }
    }
}

fn nix_runs_in_a_session_of_its_own_within_its_limits(nix: &Nix) {
    let running = Running::start(nix, None);
    let (parent, group, session) = (running.stat(4), running.stat(5), running.stat(6));
    assert_eq!((parent, group, session), (running.program.id(), running.nix, running.nix));
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.nix)).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let memory = nuketown_plugin::flake::default_memory_limit().to_string();
    assert_eq!(limit("Max address space"), [memory.clone(), memory]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    running.signal(Signal::TERM);
    running.end();
}

fn an_interrupt_ends_the_evaluation_and_then_the_program(nix: &Nix) {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let running = Running::start(nix, None);
        running.signal(signal);
        let outcome = running.end();
        assert_eq!(outcome.report["error"], "Interrupted", "{outcome:?}");
        assert_eq!(
            outcome.status.signal(),
            Some(signal.as_raw()),
            "the shell must see that it was interrupted"
        );
    }
}

fn an_ignored_signal_stays_ignored(nix: &Nix) {
    let running = Running::start(nix, Some("trap '' HUP; exec \"$@\""));
    running.signal(Signal::HUP);
    running.signal(Signal::TERM);
    assert_eq!(running.end().status.signal(), Some(Signal::TERM.as_raw()));
}

fn a_killed_program_takes_the_evaluation_with_it(nix: &Nix) {
    let running = Running::start(nix, None);
    let nix = pidfd_open(Pid::from_raw(running.nix.cast_signed()).unwrap(), PidfdFlags::empty()).unwrap();
    running.signal(Signal::KILL);
    // The kernel kills it before it lets us know of the program's death, and then it still has to die.
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&nix, PollFlags::IN)], Some(&patience)).unwrap(), 1, "nix survived");
    assert_eq!(running.end().status.signal(), Some(Signal::KILL.as_raw()));
}

fn a_process_that_nix_left_behind_is_ended(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    // It holds both outputs open, and is not waited for.
    world.wrap_nix("sleep 1000 &");
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "6bit.com");
}

fn a_nix_that_crashes_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    world.wrap_nix("echo half; echo 'last words' >&2; kill -SEGV $$");
    let (cause, _) = world.evaluate(&[&flake]).fails("Crashed", 3);
    assert_eq!(cause, "it was ended by signal 11\n    at last words");
}

/// Evaluates with a Nix that prints a town, waits until that has been looked at, and then does something else.
fn evaluate_with_second_thoughts(nix: &Nix, then: &str) -> Outcome {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    let pipe = world.path("looked-at");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let wait = format!("read line <'{}'", pipe.display());
    world.wrap_nix(&format!("echo '{{ \"domain\": \"a\" }}'; {wait}; {then}"));
    world.evaluate(&[&flake, "--tell", pipe.to_str().unwrap()])
}

fn a_nix_that_fails_after_its_answer_has_failed(nix: &Nix) {
    let outcome = evaluate_with_second_thoughts(nix, "echo 'error: too early' >&2; exit 1");
    let (cause, _) = outcome.fails("Evaluation", 3);
    assert!(cause.contains("too early"), "{cause}");
}

fn a_nix_that_goes_on_after_its_answer_is_heard_out(nix: &Nix) {
    assert_eq!(evaluate_with_second_thoughts(nix, "exit 0").town()["domain"], "a");
    assert_eq!(evaluate_with_second_thoughts(nix, "echo; exit 0").town()["domain"], "a");
    let outcome = evaluate_with_second_thoughts(nix, "echo '{}'; exit 0");
    assert_eq!(outcome.report["text"], "{ \"domain\": \"a\" }\n{}\n");
}

fn a_nix_that_cannot_be_started_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    world.wrap_nix("");
    fs::write(world.path("bin/nix"), "#!/no/such/interpreter\n").unwrap();
    let (cause, _) = world.evaluate(&[&flake]).fails("Launch", 3);
    assert!(cause.starts_with("cannot start ") && cause.contains("No such file"), "{cause}");
}

fn a_missing_nix_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    let (_, hint) =
        world.run(world.command(&[&flake]).env("PATH", world.path("home"))).fails("NixMissing", 3);
    assert!(hint.contains("install"), "{hint}");
}

fn an_old_nix_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    world.wrap_nix("echo \"error: unrecognised flag '--extra-experimental-features'\" >&2; exit 1");
    world.evaluate(&[&flake]).fails("OldNix", 3);
}

fn the_launcher_does_nothing_for_strangers(nix: &Nix) {
    let world = World::new(nix);
    let touched = world.path("touched");
    let own = std::process::id().to_string();
    for arguments in [&[] as &[&str], &["1000000000"], &["x", &own, "touch"], &["1000000000", "1", "touch"]] {
        let mut launcher = Command::new(std::env::current_exe().unwrap());
        let output = launcher.arg("__launch").args(arguments).arg(&touched).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("launcher: "));
    }
    assert!(!touched.exists());
}
