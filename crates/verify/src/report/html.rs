//! The report as one page of HTML: the answer first, then what is wrong, then the figures. Nothing is loaded from anywhere.
//!
//! Everything that came from an endpoint is escaped.

use std::fmt::Write as _;

use super::text::{advice, presence};
use super::{Answer, Races, Report, Unordered};
use crate::client::xml::escape;
use crate::conformance::{Checked, Presence, Severity, Verdict};

const STYLE: &str = include_str!("page.css");

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    let title = format!("holdfast verify: {}", report.endpoints.join(", "));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{STYLE}</style></head><body><main>",
        escape(&title)
    );
    head(&mut page, report);
    tiles(&mut page, report);
    ignored(&mut page, report);
    deviations(&mut page, report);
    if let Some(races) = &report.races {
        of_races(&mut page, races);
    }
    parts(&mut page, report);
    if let Some(rows) = &report.conformance {
        groups(&mut page, rows);
        all_rows(&mut page, rows);
    }
    let _ = writeln!(page, "<footer>holdfast verify {}</footer></main></body></html>", escape(report.version));
    page
}

fn class(answer: Answer) -> (&'static str, &'static str) {
    match answer {
        Answer::Clean => ("good", "Can be trusted"),
        Answer::Differs => ("fair", "Differs"),
        Answer::Broken => ("bad", "Cannot be trusted"),
        Answer::Incomplete => ("fair", "Not decided"),
    }
}

fn head(page: &mut String, report: &Report) {
    let (class, word) = class(report.answer());
    let _ = write!(
        page,
        "<header class=\"{class}\"><p class=\"badge\">{word}</p><h1>{}</h1><p class=\"where\">{}</p><p class=\"quiet\">{}, took {:.1} s</p>\
         <p>{}</p></header>",
        escape(&report.headline()),
        escape(&report.endpoints.join(", ")),
        escape(&report.began),
        report.took_seconds,
        escape(&advice(report))
    );
}

fn tile(page: &mut String, number: &str, what: &str, class: &str) {
    let _ = write!(page, "<div class=\"tile {class}\"><b>{number}</b><span>{what}</span></div>");
}

fn tiles(page: &mut String, report: &Report) {
    page.push_str("<section class=\"tiles\">");
    if let Some(rows) = &report.conformance {
        let right = report.count(|v| matches!(v, Verdict::Holds | Verdict::Accepted { .. }));
        let untried = report.count(|v| matches!(v, Verdict::NotSupported { .. } | Verdict::NotRun { .. }));
        tile(page, &format!("{right} / {}", rows.len() - untried), "rows that were tried hold", "");
        if untried > 0 {
            tile(page, &untried.to_string(), "not supported, or not tried", "");
        }
        let deviations = report.deviations();
        for severity in Severity::ALL {
            let count = deviations.iter().filter(|(_, s)| *s == severity).count();
            tile(page, &count.to_string(), severity.name(), if count > 0 { tint(severity) } else { "" });
        }
    }
    if let Some(races) = &report.races {
        let violations = races.violations();
        tile(page, &grouped(races.figures.operations), "operations raced", "");
        tile(page, &violations.to_string(), "race violations", if violations > 0 { "bad" } else { "" });
        tile(page, &grouped(races.figures.conflicts), "conflicts (412, 409)", "");
        tile(page, &races.disturbances.to_string(), "disturbances", "");
    }
    page.push_str("</section>");
}

fn tint(severity: Severity) -> &'static str {
    if matches!(severity, Severity::DataLoss | Severity::FalseSuccess) { "bad" } else { "fair" }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ignored(page: &mut String, report: &Report) {
    let ignored = report.ignored();
    if ignored.is_empty() {
        return;
    }
    page.push_str("<section><h2>Ignored: dangerous</h2><p>The endpoint accepts these requests and does not honour what they demand.</p><table><tr><th>Part</th><th>What happened</th></tr>");
    for part in ignored {
        let _ = write!(page, "<tr class=\"bad\"><td>{}</td><td>{}</td></tr>", escape(part.name), escape(&part.came));
    }
    page.push_str("</table></section>");
}

fn deviations(page: &mut String, report: &Report) {
    let deviations = report.deviations();
    if deviations.is_empty() {
        return;
    }
    page.push_str("<section><h2>What is wrong</h2>");
    for severity in Severity::ALL {
        let rows: Vec<&Checked> = deviations.iter().filter(|(_, s)| *s == severity).map(|(row, _)| *row).collect();
        if rows.is_empty() {
            continue;
        }
        let open = if severity == Severity::WrongCode && rows.len() > 12 { "" } else { " open" };
        let _ = write!(
            page,
            "<details{open}><summary><span class=\"pill {}\">{}</span> {} rows</summary><p class=\"quiet\">{}</p><table>\
             <tr><th>Sent</th><th>Expected</th><th>Came</th><th>So</th></tr>",
            tint(severity),
            severity.name(),
            rows.len(),
            severity.meaning()
        );
        for row in rows {
            deviation(page, row);
        }
        page.push_str("</table></details>");
    }
    page.push_str("</section>");
}

fn deviation(page: &mut String, row: &Checked) {
    let Verdict::Deviates { ignored, why, .. } = &row.verdict else { return };
    let ignored = if *ignored { "<br><span class=\"pill bad\">ignored: dangerous</span>" } else { "" };
    let _ = write!(
        page,
        "<tr><td>{}<br><code class=\"quiet\">{}</code></td><td>{}</td><td>{}</td><td>{}{ignored}</td></tr>",
        escape(&row.sent),
        escape(&row.id),
        escape(&row.expected),
        escape(&row.came),
        escape(why)
    );
}

fn of_races(page: &mut String, races: &Races) {
    let figures = &races.figures;
    let _ = write!(
        page,
        "<section><h2>Races and linearizability</h2><p>{} clients raced for {:.0} s with seed {}. Every answer that they got was checked: there must be \
         one order of all operations, each within the time between its request and its answer, that explains all answers. {} operations, {} conflicts, \
         {} of unknown outcome, {} disturbances; the longest operation took {:.0} ms.</p><table><tr><th>Race</th><th>Operations</th><th>Groups of keys</th>\
         <th>Conflicts</th><th>Unknown</th><th>Took</th><th>Judged in</th><th>Longest search</th><th>Verdict</th></tr>",
        races.clients,
        races.seconds,
        races.seed,
        grouped(figures.operations),
        grouped(figures.conflicts),
        grouped(figures.unknown),
        races.disturbances,
        std::time::Duration::from_nanos(figures.longest_nanoseconds).as_secs_f64() * 1e3
    );
    for contest in &races.contests {
        let (class, verdict) = match (contest.count(), contest.undecided) {
            (0, 0) => ("good", "linearizable".to_owned()),
            (0, undecided) => ("fair", format!("{undecided} groups undecided")),
            (count, _) => ("bad", format!("{count} violations")),
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1} s</td>\
             <td class=\"n\">{:.2} s</td><td class=\"n\">{:.2} s</td><td><span class=\"pill {class}\">{verdict}</span></td></tr>",
            contest.name,
            grouped(contest.operations as u64),
            grouped(contest.groups as u64),
            grouped(contest.conflicts),
            grouped(contest.unknown),
            contest.seconds,
            contest.judged_seconds,
            contest.longest_search_seconds
        );
    }
    page.push_str("</table>");
    violations(page, races);
    page.push_str("</section>");
}

fn violations(page: &mut String, races: &Races) {
    for seen in &races.seen {
        let _ = write!(
            page,
            "<p><span class=\"pill bad\">{}</span> <code>{}</code> {}</p>",
            seen.shape.name(),
            escape(&seen.key),
            escape(&seen.what)
        );
    }
    for contest in &races.contests {
        for violation in &contest.violations {
            let explained = violation
                .explained_by
                .map_or(String::new(), |by| format!("<p class=\"quiet\">It would be explained by {}.</p>", escape(by)));
            let _ = write!(
                page,
                "<article>{}{explained}<details><summary>As text</summary><pre>{}</pre></details></article>",
                picture(violation, contest.name),
                escape(&violation.text)
            );
        }
        if contest.more_violations > 0 {
            let _ = write!(page, "<p>And {} more in {}.</p>", contest.more_violations, contest.name);
        }
    }
}

/// The page of the time line within this page: in a shadow tree, so that neither styles the other. Without a picture, a heading.
fn picture(violation: &Unordered, name: &str) -> String {
    let between = |from: &str, to: &str| {
        let rest = violation.picture.split_once(from)?.1;
        Some(rest.split_once(to)?.0)
    };
    match (between("<style>", "</style>"), between("<main>", "</main>")) {
        (Some(style), Some(main)) => {
            let style =
                style.replace(":root", ":host").replace("body{", ":host{display:block;").replace("main{", "main{padding:0!important;");
            format!("<h3>In {name}</h3><div><template shadowrootmode=\"open\"><style>{style}</style><main>{main}</main></template></div>")
        }
        _ => format!("<h3><span class=\"pill bad\">{}</span> {name}</h3><p>{}</p>", violation.severity, escape(&violation.reason)),
    }
}

fn parts(page: &mut String, report: &Report) {
    page.push_str("<section><h2>Parts that an endpoint may lack</h2><table><tr><th>Part</th><th>Here</th><th>Probe</th></tr>");
    for part in &report.parts {
        let class = match part.presence {
            Presence::Supported => "good",
            Presence::Ignored if part.of_s3 => "bad",
            Presence::Ignored | Presence::Unclear => "fair",
            Presence::NotSupported => "none",
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td><span class=\"pill {class}\">{}</span></td><td>{}</td></tr>",
            escape(part.name),
            presence(part.presence, part.of_s3),
            escape(&part.came)
        );
    }
    page.push_str("</table></section>");
}

/// Rows by their group, in the order of the contract.
pub(super) fn by_group(rows: &[Checked]) -> Vec<(&'static str, Vec<&Checked>)> {
    let mut groups: Vec<(&'static str, Vec<&Checked>)> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((row.group, vec![row])),
        }
    }
    groups
}

fn groups(page: &mut String, rows: &[Checked]) {
    page.push_str(
        "<section><h2>The contract</h2><table><tr><th>Group</th><th>Rows</th><th>Hold</th><th>Right elsewhere</th><th>Not supported</th><th>Not tried</th><th>Wrong</th></tr>",
    );
    for (group, rows) in by_group(rows) {
        let count = |like: fn(&Verdict) -> bool| match rows.iter().filter(|row| like(&row.verdict)).count() {
            0 => String::new(),
            count => count.to_string(),
        };
        let wrong = count(|v| matches!(v, Verdict::Deviates { .. }));
        let wrong = if wrong.is_empty() { wrong } else { format!("<span class=\"pill bad\">{wrong}</span>") };
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{wrong}</td></tr>",
            escape(group),
            rows.len(),
            count(|v| matches!(v, Verdict::Holds)),
            count(|v| matches!(v, Verdict::Accepted { .. })),
            count(|v| matches!(v, Verdict::NotSupported { .. })),
            count(|v| matches!(v, Verdict::NotRun { .. }))
        );
    }
    page.push_str("</table></section>");
}

fn all_rows(page: &mut String, rows: &[Checked]) {
    let _ = write!(page, "<section><h2>Every row</h2>");
    for (group, rows) in by_group(rows) {
        let _ = write!(
            page,
            "<details><summary>{}, {} rows</summary><table><tr><th>Sent</th><th>Expected</th><th>Came</th><th>Verdict</th></tr>",
            escape(group),
            rows.len()
        );
        for row in rows {
            let (class, verdict) = match &row.verdict {
                Verdict::Holds => ("good", "holds".to_owned()),
                Verdict::Accepted { why } => ("good", why.clone()),
                Verdict::NotSupported { .. } => ("none", "not supported".to_owned()),
                Verdict::NotRun { .. } => ("none", "not tried".to_owned()),
                Verdict::Deviates { severity, .. } => (tint(*severity), severity.name().to_owned()),
            };
            let _ = write!(
                page,
                "<tr><td>{}<br><code class=\"quiet\">{}</code></td><td>{}</td><td>{}</td><td><span class=\"pill {class}\">{}</span></td></tr>",
                escape(&row.sent),
                escape(&row.id),
                escape(&row.expected),
                escape(&row.came),
                escape(&verdict)
            );
        }
        page.push_str("</table></details>");
    }
    page.push_str("</section>");
}
