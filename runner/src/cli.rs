//! The command line.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{payload, replay, report, run, schema, suite, vectors};
use crate::exit::Exit;
use crate::failure::Failure;

/// Proves that a machine translates addresses as the Arm architecture says.
#[derive(Debug, Parser)]
#[command(name = "hypwalk", version, after_help = exit_codes())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Replay(replay::Replay),
    Report(report::Report),
    Suite(suite::Suite),
    Vectors(vectors::Vectors),
    Payload(payload::Payload),
    Schema(schema::Schema),
}

/// Does what the command line says.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Conforms }.into();
        }
    };
    panic::set_hook(Box::new(say_panic));
    // Unwinding lets a target be stopped before the program ends.
    let done = panic::catch_unwind(AssertUnwindSafe(|| match cli.command {
        Command::Run(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Suite(command) => command.run(),
        Command::Vectors(command) => command.run(),
        Command::Payload(command) => command.run(),
        Command::Schema(command) => command.run(),
    }));
    match done {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => say(&failure).into(),
        Err(_) => Exit::Bug.into(),
    }
}

fn say(failure: &Failure) -> Exit {
    write_error(failure);
    failure.exit
}

fn write_error(failure: &Failure) {
    // Nobody is left to be told when standard error is gone.
    let _ = write!(io::stderr(), "{failure}");
}

fn say_panic(panic: &PanicHookInfo<'_>) {
    let failure = Failure::new(Exit::Bug, format!("a bug in Hypwalk: {panic}"));
    write_error(&failure.help("please report it, with the command line and the files it names"));
}

fn exit_codes() -> String {
    let line = |exit: &Exit| format!("\n  {:>2}  {}", exit.code(), exit.meaning());
    Exit::ALL.iter().map(line).fold("Exit codes:".to_owned(), |text, line| text + &line)
}
