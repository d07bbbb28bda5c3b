//! What can be asked of the binary. The flags of `serve` are the server's table of settings, row by row.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use holdfast_server::{Arity, Config, SETTINGS, Setting, Values};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;

pub(crate) const FAILED: u8 = 1;
pub(crate) const COULD_NOT_RUN: u8 = 2;

/// An error, and what the process answers to it.
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) exit_code: u8,
}

pub(crate) fn failure(exit_code: u8) -> impl FnOnce(anyhow::Error) -> Failure {
    move |error| Failure { error, exit_code }
}

/// The command line.
pub(crate) fn command() -> Command {
    let data = Arg::new("data").long("data").value_name("DIR").value_parser(value_parser!(PathBuf)).required(true);
    Command::new("holdfast")
        .version(env!("CARGO_PKG_VERSION"))
        .about("S3-compatible object storage whose every write can be conditional")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("serve")
                .about("Serve a data folder over S3")
                .after_help(
                    "Flags go before HOLDFAST_* variables, variables before the file of --config, the file before defaults.\n\
                     Root credentials: HOLDFAST_ROOT_ACCESS_KEY and HOLDFAST_ROOT_SECRET_KEY (or the same with _FILE); without them, a \
                     pair is generated at the first start, printed, and kept in the data folder.\n\n\
                     SIGTERM and SIGINT stop the server after the requests under way; SIGHUP reads the TLS files again.",
                )
                .args(SETTINGS.iter().map(argument)),
        )
        .subcommand(
            Command::new("check")
                .about("Read every record and every byte of a data folder that no server uses, and report what is wrong")
                .after_help("Exit code: 0 nothing is wrong, 1 something is, 2 the folder could not be checked.")
                .arg(data.help("Folder to check")),
        )
        .subcommand(crate::verify::command())
}

fn argument(setting: &'static Setting) -> Arg {
    let default = setting.default.filter(|_| setting.arity != Arity::Switch).map_or(String::new(), |value| format!(" [default: {value}]"));
    let help = format!("{}{default} [env: {}]", setting.help, setting.env);
    let argument = Arg::new(setting.name).long(setting.name).value_name(setting.value_name).help(help);
    match setting.arity {
        Arity::One => argument,
        Arity::Many => argument.action(ArgAction::Append),
        Arity::Switch => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// The settings that were given as flags.
fn flags(arguments: &ArgMatches) -> Values {
    let given = |setting: &'static Setting| {
        let values: Vec<String> = arguments.get_many::<String>(setting.name)?.cloned().collect();
        Some((setting.name, values))
    };
    SETTINGS.iter().filter_map(given).collect()
}

/// `holdfast serve`.
pub(crate) fn serve(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    let config = Config::resolve(flags(arguments), environment).map_err(anyhow::Error::from).map_err(failure(COULD_NOT_RUN))?;
    raise_open_files();
    serve_until_stopped(config).map_err(failure(FAILED))?;
    Ok(ExitCode::SUCCESS)
}

fn serve_until_stopped(config: Config) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let stop = holdfast_server::until_told_to_stop()?;
        holdfast_server::serve(config, stop).await?;
        Ok(())
    })
}

/// `holdfast check`.
pub(crate) fn check(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let data: &PathBuf = arguments.get_one("data").expect("clap demands --data");
    let checked = runtime().map(|runtime| runtime.block_on(holdfast_server::check(data)));
    let report = checked.and_then(|report| Ok(report?)).map_err(failure(COULD_NOT_RUN))?;
    for finding in &report.findings {
        println!("{finding}");
    }
    println!(
        "{} records, {} objects and {} bytes read; {} garbage records and {} unnamed blobs wait to be reclaimed; {} wrong",
        report.records,
        report.objects,
        report.bytes,
        report.garbage,
        report.unnamed_blobs,
        report.findings.len()
    );
    Ok(ExitCode::from(if report.findings.is_empty() { 0 } else { FAILED }))
}

/// One worker for each core.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("holdfast")
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

/// Each connection needs a descriptor, and the usual soft limit of 1024 is for programs that use `select`.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Whatever the system refuses, the listener copes with.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag() {
        for setting in SETTINGS {
            let mut line = vec!["holdfast".to_owned(), "serve".to_owned()];
            match setting.arity {
                Arity::Switch => line.push(format!("--{}", setting.name)),
                Arity::One | Arity::Many => line.extend([format!("--{}", setting.name), "value".to_owned()]),
            }
            let matches = command().try_get_matches_from(line).expect("a known flag");
            let values = flags(matches.subcommand_matches("serve").expect("serve"));
            let expected = if setting.arity == Arity::Switch { "true" } else { "value" };
            assert_eq!(values, Values::from([(setting.name, vec![expected.to_owned()])]));
        }
    }
}
