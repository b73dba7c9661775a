//! The command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    bench, compare, diagnose, errata, explain, export, image, merge, payload, probe, reduce,
    replay, report, run, schema, selftest, soak, suite, vectors,
};
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
    Soak(soak::Soak),
    Image(image::Image),
    Replay(replay::Replay),
    Reduce(reduce::Reduce),
    Export(export::ExportCase),
    Report(report::Report),
    Merge(merge::Merge),
    Diagnose(diagnose::Diagnose),
    Errata(errata::Errata),
    Selftest(selftest::Selftest),
    Compare(compare::Compare),
    Probe(probe::Probe),
    Suite(suite::Suite),
    Bench(bench::Bench),
    Vectors(vectors::Vectors),
    Explain(explain::Explain),
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
    let exit = guarded(|| match cli.command {
        Command::Run(command) => command.run(),
        Command::Soak(command) => command.run(),
        Command::Image(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Reduce(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Merge(command) => command.run(),
        Command::Diagnose(command) => command.run(),
        Command::Errata(command) => command.run(),
        Command::Selftest(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Probe(command) => command.run(),
        Command::Suite(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Vectors(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Payload(command) => command.run(),
        Command::Schema(command) => command.run(),
    });
    exit.into()
}

/// Does `command` and says why it failed. After a panic, unwinding has stopped the target.
fn guarded(command: impl FnOnce() -> Result<Exit, Failure>) -> Exit {
    match panic::catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            write_error(&failure);
            failure.exit
        }
        Err(_) => Exit::Bug,
    }
}

fn write_error(failure: &Failure) {
    // Nobody is left to be told when standard error is gone.
    let _ = write!(anstream::stderr(), "{}", failure.styled());
}

fn say_panic(panic: &PanicHookInfo<'_>) {
    let failure = Failure::new(Exit::Bug, format!("a bug in Hypwalk: {panic}"));
    write_error(&failure.help("please report it, with the command line and the files it names"));
}

fn exit_codes() -> String {
    let line = |exit: &Exit| format!("\n  {:>3}  {}", exit.code(), exit.meaning());
    Exit::ALL.iter().map(line).fold("Exit codes:".to_owned(), |text, line| text + &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_failure_and_a_panic_end_with_their_codes() {
        assert_eq!(guarded(|| Ok(Exit::Findings)), Exit::Findings);
        assert_eq!(guarded(|| Err(Failure::new(Exit::Target, "as a test"))), Exit::Target);
        assert_eq!(guarded(|| panic!("as a test")), Exit::Bug);
    }

    #[test]
    fn exit_codes_are_what_scripts_rely_on() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 70, 130]);
    }
}
