//! The binary `holdfast`: commands, exit codes, and the runtime they run on.
//!
//! Exit codes: 0 done; 1 it ran and failed, or `check` or `verify` found something wrong; 2 it could not run as asked.

mod commands;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = commands::command().get_matches();
    let done = match matches.subcommand() {
        Some(("serve", arguments)) => commands::serve(arguments),
        Some(("check", arguments)) => commands::check(arguments),
        Some(("verify", arguments)) => verify::verify(arguments),
        _ => unreachable!("clap demands one of the commands"),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("holdfast: {:#}", failure.error);
        ExitCode::from(failure.exit_code)
    })
}
