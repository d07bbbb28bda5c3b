//! The report for a terminal: the answer, the counts, the deviations, and what to do next.

use std::fmt::Write as _;

use super::html::by_group;
use super::{Answer, Races, Report};
use crate::conformance::{Checked, Presence, Severity, Verdict};

const RED: &str = "31;1";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const DIM: &str = "2";

/// More deviations than this are a page, not a terminal.
const SHOWN_MAX: usize = 40;

/// Paints on terminals only.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, colour: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        let colour = if matches!(severity, Severity::DataLoss | Severity::FalseSuccess) { RED } else { YELLOW };
        self.with(colour, severity.name())
    }
}

/// The report as text.
pub fn text(report: &Report, colours: bool) -> String {
    let paint = Paint(colours);
    let mut text = String::new();
    let colour = match report.answer() {
        Answer::Clean => GREEN,
        Answer::Broken => RED,
        Answer::Differs | Answer::Incomplete => YELLOW,
    };
    let _ = writeln!(text, "\n{}\n", paint.with(colour, &report.headline()));
    let _ = writeln!(text, "  endpoint     {}", report.endpoints.join(", "));
    let _ = writeln!(text, "  began        {}, took {:.1} s", report.began, report.took_seconds);
    if let Some(rows) = &report.conformance {
        conformance(&mut text, report, rows, paint);
    }
    parts(&mut text, report, paint);
    if let Some(races) = &report.races {
        of_races(&mut text, races, paint);
    }
    let _ = writeln!(text, "\n{}", advice(report));
    text
}

fn conformance(text: &mut String, report: &Report, rows: &[Checked], paint: Paint) {
    let _ = writeln!(text, "\nConformance: {}", counts(report, rows.len()));
    for (group, rows) in by_group(rows) {
        let mut columns = [0; 5];
        for row in rows {
            columns[column(&row.verdict)] += 1;
        }
        let [holds, accepted, unsupported, untried, wrong] = columns;
        let also = [(accepted, "right elsewhere too"), (unsupported, "not supported"), (untried, "not tried")];
        let also: String = also.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}")).collect();
        let wrong = if wrong > 0 { paint.with(RED, &format!(", {wrong} wrong")) } else { String::new() };
        let _ = writeln!(text, "  {group:<40} {holds:>3} hold{also}{wrong}");
    }
    let deviations = report.deviations();
    if !deviations.is_empty() {
        let _ = writeln!(text, "\nDeviations, the worst first:");
    }
    for (row, severity) in deviations.iter().copied().take(SHOWN_MAX) {
        let Verdict::Deviates { ignored, why, .. } = &row.verdict else { continue };
        let ignored = if *ignored { paint.with(RED, " (ignored: dangerous)") } else { String::new() };
        let _ = writeln!(text, "\n  {} {}{ignored}", paint.severity(severity), row.id);
        let _ = writeln!(text, "    sent      {}", row.sent);
        let _ = writeln!(text, "    expected  {}", row.expected);
        let _ = writeln!(text, "    came      {}", row.came);
        let _ = writeln!(text, "    so        {why}");
    }
    if deviations.len() > SHOWN_MAX {
        let _ = writeln!(text, "\n  and {} more: write them all with --html FILE or --json FILE", deviations.len() - SHOWN_MAX);
    }
}

fn column(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Holds => 0,
        Verdict::Accepted { .. } => 1,
        Verdict::NotSupported { .. } => 2,
        Verdict::NotRun { .. } => 3,
        Verdict::Deviates { .. } => 4,
    }
}

/// The verdicts in one line.
fn counts(report: &Report, rows: usize) -> String {
    let deviations = report.deviations();
    let mut parts = vec![
        format!("{rows} rows"),
        format!("{} hold", report.count(|v| matches!(v, Verdict::Holds))),
        format!("{} right by another document", report.count(|v| matches!(v, Verdict::Accepted { .. }))),
        format!("{} not supported", report.count(|v| matches!(v, Verdict::NotSupported { .. }))),
        format!("{} not tried", report.count(|v| matches!(v, Verdict::NotRun { .. }))),
    ];
    for severity in Severity::ALL {
        let count = deviations.iter().filter(|(_, s)| *s == severity).count();
        parts.push(format!("{count} {}", severity.name()));
    }
    parts.into_iter().filter(|part| !part.starts_with("0 ")).collect::<Vec<_>>().join(", ")
}

pub(super) fn presence(presence: Presence, of_s3: bool) -> &'static str {
    match (presence, of_s3) {
        (Presence::Supported, _) => "supported",
        (Presence::NotSupported, _) => "not supported",
        (Presence::Ignored, true) => "ignored: dangerous",
        (Presence::Ignored, false) => "not supported, and ignored: never rely on it here",
        (Presence::Unclear, _) => "unclear",
    }
}

fn parts(text: &mut String, report: &Report, paint: Paint) {
    let _ = writeln!(text, "\nParts that an endpoint may lack:");
    for part in &report.parts {
        let colour = match part.presence {
            Presence::Supported => GREEN,
            Presence::Ignored if part.of_s3 => RED,
            Presence::Ignored | Presence::Unclear => YELLOW,
            Presence::NotSupported => DIM,
        };
        let said = paint.with(colour, presence(part.presence, part.of_s3));
        let came = if part.presence == Presence::Supported { String::new() } else { paint.with(DIM, &format!(" ({})", part.came)) };
        let _ = writeln!(text, "  {:<62} {said}{came}", part.name);
    }
}

fn of_races(text: &mut String, races: &Races, paint: Paint) {
    let figures = &races.figures;
    let _ = writeln!(
        text,
        "\nRaces: seed {}, {} clients, {} operations, {} conflicts, {} of unknown outcome, {} disturbances, {} violations",
        races.seed,
        races.clients,
        figures.operations,
        figures.conflicts,
        figures.unknown,
        races.disturbances,
        races.violations()
    );
    let _ = writeln!(
        text,
        "  {:<12} {:>10} {:>8} {:>9} {:>8} {:>9} {:>9}  verdict",
        "race", "operations", "groups", "conflicts", "unknown", "judged", "longest"
    );
    for contest in &races.contests {
        let verdict = match (contest.count(), contest.undecided) {
            (0, 0) => paint.with(GREEN, "linearizable"),
            (0, undecided) => paint.with(YELLOW, &format!("{undecided} groups undecided")),
            (count, _) => paint.with(RED, &format!("{count} violations")),
        };
        let _ = writeln!(
            text,
            "  {:<12} {:>10} {:>8} {:>9} {:>8} {:>7.2} s {:>7.2} s  {verdict}",
            contest.name,
            contest.operations,
            contest.groups,
            contest.conflicts,
            contest.unknown,
            contest.judged_seconds,
            contest.longest_search_seconds
        );
    }
    for violation in &races.seen {
        let _ = writeln!(text, "\n  {} {} {}: {}", paint.with(RED, "violation"), violation.shape.name(), violation.key, violation.what);
    }
    for contest in &races.contests {
        for violation in &contest.violations {
            let _ = writeln!(text, "\n  {} in {}: {}", paint.with(RED, violation.severity), contest.name, violation.reason);
            for line in violation.text.lines().skip(1) {
                let _ = writeln!(text, "    {line}");
            }
        }
        if contest.more_violations > 0 {
            let _ = writeln!(text, "  and {} more in {}", contest.more_violations, contest.name);
        }
    }
}

/// What to do next.
pub(super) fn advice(report: &Report) -> String {
    match report.answer() {
        Answer::Clean => match &report.races {
            Some(races) => {
                format!("Next: run it longer and with more clients, for example --duration 600s --clients 64 --seed {}.", races.seed + 1)
            }
            None => "Next: run the races too, without --only.".to_owned(),
        },
        Answer::Differs => {
            "Next: see whether your clients understand the answers above, and report them to the maker of the endpoint.".to_owned()
        }
        Answer::Broken => "Next: do not build locks, checkpoints or commits on the conditions above at this endpoint. The report names \
                           what to send to see each again; give it to the maker of the endpoint."
            .to_owned(),
        Answer::Incomplete => {
            "Next: see above what could not be tried or decided. A shorter --duration or fewer --clients make races easier to judge."
                .to_owned()
        }
    }
}
