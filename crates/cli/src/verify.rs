//! `holdfast verify`: flags, a progress line, and where the report goes.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use holdfast_verify::client::Target;
use holdfast_verify::report::{self, Answer};
use holdfast_verify::run::{self, Done, Only, Options, Progress};

use crate::commands::{COULD_NOT_RUN, FAILED, Failure, failure, runtime};

/// Cells of the bar.
const BAR: u8 = 24;

/// The command line of `verify`.
pub(crate) fn command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("verify")
        .about("Find out whether the conditional writes of an S3 endpoint can be trusted")
        .after_help(
            "Credentials and region come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION (or AWS_DEFAULT_REGION); \
             AWS_CA_BUNDLE names a PEM file with the certificates to trust.\n\n\
             It sends every request of the contract and compares what comes and what is there afterwards; then many clients race, and what \
             they saw is checked for an order that explains it. It works in a bucket of its own, or in its own prefix of --bucket, and removes what it made.\n\n\
             Exit code: 0 everything holds, 1 violations were found, 2 it could not run, or not to its end.\n\n\
             Examples:\n  \
             holdfast verify --endpoint http://127.0.0.1:9000\n  \
             holdfast verify --endpoint https://s3.eu-central-1.amazonaws.com --bucket my-test-bucket --only conformance\n  \
             holdfast verify --endpoint http://a:9000 --endpoint http://b:9000 --duration 600s --clients 64 --seed 7 --html report.html\n  \
             holdfast verify --endpoint http://127.0.0.1:9000 --disturb './kill-and-restart.sh' --disturb-every 2000",
        )
        .arg(
            Arg::new("endpoint")
                .long("endpoint")
                .value_name("URL")
                .action(ArgAction::Append)
                .required(true)
                .help("Endpoint to check; give it several times for several endpoints of one store"),
        )
        .arg(Arg::new("bucket").long("bucket").value_name("BUCKET").help("Bucket to work in; made if it does not exist [default: a new one]"))
        .arg(Arg::new("seed").long("seed").value_name("N").value_parser(value_parser!(u64)).help("Seed of the races [default: a new one, printed]"))
        .arg(
            Arg::new("duration")
                .long("duration")
                .value_name("TIME")
                .value_parser(duration)
                .default_value("60s")
                .help("How long the races take in all: 90s, 10m, 1h"),
        )
        .arg(
            Arg::new("clients")
                .long("clients")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=1024))
                .default_value("16")
                .help("How many clients race"),
        )
        .arg(Arg::new("only").long("only").value_name("PART").value_parser(["conformance", "races"]).help("Do only this part"))
        .arg(file("json", "Write the report as JSON"))
        .arg(file("html", "Write the report as one page of HTML"))
        .arg(file("history", "Write what was asked and answered in the races as JSON"))
        .arg(Arg::new("virtual-hosted").long("virtual-hosted").action(ArgAction::SetTrue).help("Send BUCKET.HOST instead of HOST/BUCKET"))
        .arg(
            Arg::new("disturb")
                .long("disturb")
                .value_name("COMMAND")
                .help("Shell command that takes the store away and brings it back, run in the middle of the races"),
        )
        .arg(
            Arg::new("disturb-every")
                .long("disturb-every")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("2000")
                .requires("disturb")
                .help("Disturb after about so many acknowledged operations"),
        )
}

/// `90s`, `10m`, `1h`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("give seconds, minutes or hours, as in 90s, 10m, 1h".to_owned()),
    };
    let seconds =
        digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|seconds| (1..=604_800).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "give a time between 1s and 168h, as in 90s, 10m, 1h".to_owned())
}

/// `holdfast verify`.
pub(crate) fn verify(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let options = options(arguments).map_err(failure(COULD_NOT_RUN))?;
    let runtime = runtime().map_err(failure(COULD_NOT_RUN))?;
    let line = Arc::new(ProgressLine::default());
    let tell = Arc::clone(&line);
    let stop = async {
        // Without the handler, Ctrl-C ends the process as always.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let ended = runtime.block_on(run::run(&options, stop, Arc::new(move |progress| tell.show(&progress))));
    line.clear();
    if let Some(left) = &ended.left_behind {
        eprintln!("holdfast: {left}");
    }
    let done = ended.outcome.map_err(|error| anyhow!(error)).map_err(failure(COULD_NOT_RUN))?;
    write_files(arguments, &done).map_err(failure(COULD_NOT_RUN))?;
    print!("{}", report::text(&done.report, std::io::stdout().is_terminal()));
    Ok(match done.report.answer() {
        Answer::Clean => ExitCode::SUCCESS,
        Answer::Differs | Answer::Broken => ExitCode::from(FAILED),
        Answer::Incomplete => ExitCode::from(COULD_NOT_RUN),
    })
}

fn options(arguments: &ArgMatches) -> anyhow::Result<Options> {
    let urls: Vec<String> = arguments.get_many("endpoint").map_or_else(Vec::new, |urls| urls.cloned().collect());
    let target = Target::new(&urls, arguments.get_flag("virtual-hosted"), |name| std::env::var(name).ok())?;
    let text = |name: &str| arguments.get_one::<String>(name).cloned();
    Ok(Options {
        target: Arc::new(target),
        bucket: text("bucket"),
        seed: arguments.get_one("seed").copied().unwrap_or_else(run::random_seed),
        duration: *arguments.get_one("duration").expect("it has a default"),
        clients: *arguments.get_one("clients").expect("it has a default"),
        only: text("only").map(|only| if only == "races" { Only::Races } else { Only::Conformance }),
        disturb: text("disturb").zip(arguments.get_one("disturb-every").copied()),
    })
}

fn write_files(arguments: &ArgMatches, done: &Done) -> anyhow::Result<()> {
    let write = |name: &str, text: &dyn Fn() -> String| match arguments.get_one::<PathBuf>(name) {
        Some(path) => fs::write(path, text()).with_context(|| format!("{} cannot be written", path.display())),
        None => Ok(()),
    };
    write("json", &|| format!("{:#}\n", done.report.json()))?;
    write("html", &|| report::html(&done.report))?;
    write("history", &|| done.histories_json())
}

/// On a terminal one line that changes; elsewhere a line for each phase.
#[derive(Default)]
struct ProgressLine {
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    phase: String,
    line: String,
}

impl ProgressLine {
    fn show(&self, progress: &Progress) {
        let Ok(mut shown) = self.shown.lock() else { return };
        let mut out = std::io::stderr();
        if out.is_terminal() {
            let full = (1..=BAR).filter(|cell| f64::from(*cell) <= progress.done * f64::from(BAR)).count();
            let rest = usize::from(BAR) - full;
            let line = format!("[{}{}] {} {}", "#".repeat(full), ".".repeat(rest), progress.phase, progress.note);
            if line != shown.line {
                // A progress that cannot be shown must not end the run.
                let _ = write!(out, "\r\x1b[K{line}");
                let _ = out.flush();
                shown.line = line;
            }
        } else if shown.phase != progress.phase {
            let _ = writeln!(out, "{}", progress.phase);
        }
        shown.phase.clone_from(&progress.phase);
    }

    fn clear(&self) {
        if let Ok(mut shown) = self.shown.lock() {
            shown.line.clear();
        }
        let mut out = std::io::stderr();
        if out.is_terminal() {
            let _ = write!(out, "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_and_bounded() {
        for (text, seconds) in [("60s", 60), ("60", 60), ("10m", 600), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "1d", "0s", "1.5h", "99999999999999999999s", "200h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
