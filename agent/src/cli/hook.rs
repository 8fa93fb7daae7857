//! `mcpolicy hook`: what a client starts before and after each call of a server's tool.
//!
//! A client that gets no answer goes on (Claude Code, Codex). So whatever goes wrong in here ends in a refusal: an input that
//! is none, an agent that is not there, a panic.

use std::io::{self, Read as _, Write as _};
use std::panic;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mcpolicy_platform::environment::Environment;
use mcpolicy_platform::machine::Machine;
use mcpolicy_platform::users;

use super::agent::Where;
use crate::calls::{Caller, Decision};
use crate::hook::{self, Heard, MAX_INPUT, Said};
use crate::ipc::{Answer, Ask, client, hooks};

/// How long the agent is waited for: it may be starting anew. Clients wait 10 s and then two of them go on with the call.
const WAIT: Duration = Duration::from_secs(5);
/// How long one question waits: an agent that is stopped takes it and never answers.
const ONE: Duration = Duration::from_secs(2);
/// How long the end of a call waits to be told.
const END: Duration = Duration::from_secs(1);
/// Time between two tries, at first; it doubles.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Whose hook it is
    #[arg(value_enum)]
    client: Client,

    #[command(flatten)]
    r#where: Where,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    Claude,
    Codex,
    Cursor,
}

impl Client {
    fn caller(self) -> Caller {
        match self {
            Self::Claude => Caller::ClaudeCode,
            Self::Codex => Caller::Codex,
            Self::Cursor => Caller::Cursor,
        }
    }
}

pub(super) fn run(options: &Options, environment: &Environment) -> u8 {
    let client = options.client.caller();
    // a panic of ours must not end with an exit code that lets a call through; what it says may quote the input
    panic::set_hook(Box::new(|_| ()));
    let answered = panic::catch_unwind(|| answer(client, &options.r#where, environment));
    let said =
        answered.unwrap_or_else(|_| hook::refuse(client, "mcpolicy refused this call: it failed over it"));
    // who closes the output gets a refusal by the exit code
    let is_said = say(&said).is_ok();
    if is_said { said.code } else { hook::REFUSED }
}

fn say(said: &Said) -> io::Result<()> {
    let (mut out, mut error) = (io::stdout().lock(), io::stderr().lock());
    if !said.out.is_empty() {
        writeln!(out, "{}", said.out)?;
    }
    if !said.error.is_empty() {
        // what is refused is refused all the same where nobody hears why
        let _ = writeln!(error, "{}", said.error);
    }
    out.flush()
}

fn answer(client: Caller, place: &Where, environment: &Environment) -> Said {
    let project = environment.get("CLAUDE_PROJECT_DIR").filter(|_| client == Caller::ClaudeCode);
    let mut input = Vec::new();
    let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut input);
    let is_whole = read.is_ok() && input.len() as u64 <= MAX_INPUT;
    // of half an input nothing is known
    let heard = hook::hear(client, if is_whole { &input } else { &[] }, project);
    match heard {
        Heard::NotOurs => hook::let_through(client),
        Heard::Before(call) => {
            let decision = decide(place, environment, &Ask::Call { call });
            if decision.is_let_through {
                hook::let_through(client)
            } else {
                hook::refuse(client, &decision.message)
            }
        }
        Heard::After(ended) => {
            // it is over: nothing is held up by who does not hear of it
            if let Ok(Machines { socket, only }) = Machines::of(place, environment) {
                let _ = client::ask_soon(&socket, &Ask::Called { ended }, (END, only));
            }
            hook::let_through(client)
        }
    }
}

/// The agent that is asked.
struct Machines {
    socket: PathBuf,
    /// Nobody but an administrator's process is believed.
    only: bool,
}

impl Machines {
    /// That of the machine, unless another place is given.
    ///
    /// Attack: a user's own agent, with a policy of the own, answers while that of the machine is down.
    fn of(place: &Where, environment: &Environment) -> anyhow::Result<Self> {
        let socket = place.sockets(environment)?.into_iter().next();
        let socket = socket.ok_or_else(|| anyhow::anyhow!("where the agent listens is not known"))?;
        Ok(Self { socket, only: !place.is_given() && !users::is_privileged() })
    }
}

fn decide(place: &Where, environment: &Environment, ask: &Ask) -> Decision {
    let refused = |why: &str| Decision { is_let_through: false, message: no_answer(why) };
    let machines = match Machines::of(place, environment) {
        Ok(machines) => machines,
        Err(error) => return refused(&format!("{error:#}")),
    };
    match asked(&machines, ask) {
        Ok(decision) => decision,
        Err(_) if acts_on_nothing(&machines.socket) => {
            Decision { is_let_through: true, message: String::new() }
        }
        Err(why) => refused(&why),
    }
}

/// Asks until there is an answer, for a while.
fn asked(Machines { socket, only }: &Machines, ask: &Ask) -> Result<Decision, String> {
    let end = Instant::now() + WAIT;
    let mut pause = PAUSE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let why = match client::ask_soon(socket, ask, (left.min(ONE), *only)) {
            Ok(Answer::Decided(decision)) => return Ok(decision),
            Ok(Answer::NotYet) => "it has just started".to_owned(),
            Ok(Answer::Refused { why }) => why,
            Ok(_) => "it gives another answer: is it of another version?".to_owned(),
            Err(error) => error.to_string(),
        };
        if Instant::now() + pause >= end {
            return Err(why);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the mode that held last acts on nothing. Where nobody says so, it may act.
fn acts_on_nothing(socket: &Path) -> bool {
    let said = Machine::live().read(&socket.with_file_name(hooks::MODE_FILE), None, hooks::MOST_SAID);
    said.is_ok_and(|said| matches!(said.bytes.trim_ascii(), b"observe" | b"warn"))
}

fn no_answer(why: &str) -> String {
    format!(
        "mcpolicy refused this call: the agent of this machine, which decides about it, gives no answer ({why}). It may be \
         starting: try again in a moment. If it goes on, tell whoever administers this machine."
    )
}
