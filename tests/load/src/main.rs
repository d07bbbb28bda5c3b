//! What each operation costs the server: CPU time from /proc, beside the budget.
//!
//! `holdfast-load http://127.0.0.1:PORT SERVER_PID`, credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
//! HOLDFAST_LOAD_SECONDS is the time for each row (default 5). The table is a report; only a failed request is an error.

mod client;
mod server_cpu;
mod sign;
mod workloads;

use std::time::Duration;

use anyhow::{Context, Result};
use workloads::{Row, Target};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().context("usage: holdfast-load http://HOST:PORT SERVER_PID")?;
    let pid = arguments.next().context("the second argument is the server's process id")?.parse()?;
    let seconds = std::env::var("HOLDFAST_LOAD_SECONDS").map_or(Ok(5), |s| s.parse())?;
    let target = Target {
        address: url.strip_prefix("http://").context("only http:// is measured")?.trim_end_matches('/').to_owned(),
        signer: sign::Signer::from_environment()?,
        pid,
        time: Duration::from_secs(seconds),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(workloads::run_all(target))?;
    println!();
    print_table(&rows);
    Ok(())
}

fn print_table(rows: &[Row]) {
    println!("{:44} {:>10} {:>12} {:>9} {:>9} {:>16} {:>16}", "workload", "rate/s", "throughput", "p50", "p99", "server CPU", "budget");
    for row in rows {
        let throughput =
            if row.bytes > 0 { format!("{:.0} MB/s", row.bytes as f64 / 1e6 / row.elapsed.as_secs_f64()) } else { String::new() };
        let over = if row.budget.is_some_and(|budget| row.cost() > budget) { "  OVER" } else { "" };
        println!(
            "{:44} {:>10.0} {:>12} {:>9} {:>9} {:>16} {:>16}{over}",
            row.name,
            row.operations() as f64 / row.elapsed.as_secs_f64(),
            throughput,
            milliseconds(row.percentile(50)),
            milliseconds(row.percentile(99)),
            row.unit.show(row.cost()),
            row.budget.map_or("-".to_owned(), |budget| row.unit.show(budget)),
        );
        if !row.note.is_empty() {
            println!("    {}", row.note);
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
