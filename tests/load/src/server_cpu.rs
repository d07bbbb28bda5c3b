//! The CPU time of another process, all its threads together, those that ended included.

use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks a second, as Linux has had them in /proc for all architectures.
const TICKS_PER_SECOND: f64 = 100.0;

pub fn used(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    // The second field is the name in parentheses, which may contain anything; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|f| f.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}
