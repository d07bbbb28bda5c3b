//! `cargo xtask tidy`: layers, sizes, bans, licences. One line a violation; exit status 1 when there is one.

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        _ => bail!("usage: cargo xtask tidy"),
    }
}

fn tidy() -> Result<ExitCode> {
    let report = xtask::tidy(&xtask::root())?;
    for violation in &report.violations {
        println!("{violation}");
    }
    println!("tidy: {} files, {} packages, {} violations", report.files, report.packages, report.violations.len());
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
