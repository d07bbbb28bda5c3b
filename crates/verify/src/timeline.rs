//! A violation as one self-contained HTML page: a lane for each client, a bar for each operation from call to answer, red where no order has a place for it.
//!
//! No script, no other file. The page follows the reader's light or dark setting.

#![expect(clippy::cast_precision_loss, reason = "places in a picture")]

use std::fmt::Write as _;

use crate::{
    history::{History, Operation, Outcome},
    judge::Violation,
    words,
};

/// Where the lanes begin, how wide the time is drawn, and how high a lane is.
const LEFT: f64 = 96.0;
const WIDTH: f64 = 1180.0;
const LANE: f64 = 58.0;
const TOP: f64 = 46.0;
/// Room to the right for what never ends and for long words.
const RIGHT: f64 = 150.0;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fbfaf8;--ink:#22252b;--faint:#8b8f98;--line:#e4e1db;--lane:#f3f1ec;\
--write:#3d6fb6;--read:#3f8f6b;--refused:#9a7b2f;--unknown:#7d74a6;--bad:#c8323a;--mark:#22252b;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--back:#16181d;--ink:#e4e6ea;--faint:#8d93a0;--line:#2b2f38;--lane:#1c1f26;\
--write:#6a9be0;--read:#5fb58e;--refused:#cfa84a;--unknown:#a79ed6;--bad:#ff6b6f;--mark:#e4e6ea;--on:#16181d}}\
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{max-width:1480px;margin:0 auto;padding:36px 32px 56px}h1{font-size:23px;line-height:1.3;margin:0 0 4px;font-weight:650;text-wrap:balance}\
h1 code{font-size:.92em;color:inherit}h2{font-size:15px;margin:30px 0 8px;font-weight:650}section+section{border-top:1px solid var(--line);margin-top:48px;padding-top:40px}\
.how{display:inline-block;font-size:12px;font-weight:650;letter-spacing:.04em;text-transform:uppercase;color:var(--on);background:var(--bad);border-radius:4px;padding:1px 8px;margin-bottom:10px}\
.how.mild{background:var(--refused)}p{margin:6px 0;color:var(--faint);max-width:80ch}p b{color:var(--ink);font-weight:600}\
.scroll{overflow-x:auto;margin-top:18px}svg{display:block;font:12px ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace}\
.grid{stroke:var(--line)}.tick{fill:var(--faint);font-size:11px}.lane{fill:var(--lane)}.who{fill:var(--ink);font:600 13px system-ui,sans-serif}\
.bar{rx:4px}.write{fill:var(--write)}.read{fill:var(--read)}.refused{fill:var(--refused)}.unknown{fill:var(--unknown)}.bad{fill:var(--bad)}\
.say{fill:var(--ink)}.say.wrong{fill:var(--bad);font-weight:700}.stem{stroke:var(--mark);stroke-width:1.5}.dot{fill:var(--mark)}.number{fill:var(--back);font:700 10px system-ui,sans-serif;text-anchor:middle}\
.path{fill:none;stroke:var(--faint);stroke-dasharray:2 4}ul{margin:0;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;color:var(--faint);font-size:13px}\
.key{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}\
table{border-collapse:collapse;font:13px ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace}td,th{text-align:left;padding:3px 18px 3px 0;border-bottom:1px solid var(--line);white-space:nowrap}\
th{font-weight:500;color:var(--faint)}td.n{text-align:right;font-variant-numeric:tabular-nums}tr.wrong td{color:var(--bad);font-weight:600}code{font:13px ui-monospace,SFMono-Regular,Menlo,'DejaVu Sans Mono',monospace;color:var(--ink)}\
";

/// The page of some violations of one history.
pub fn render(history: &History, violations: &[Violation]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>What cannot be ordered</title><style>{STYLE}</style></head><body><main>\n"
    );
    for violation in violations {
        section(&mut page, history, violation);
    }
    if violations.is_empty() {
        page.push_str("<section><h1>Every operation has its place</h1><p>There is an order that explains all answers.</p></section>");
    }
    page.push_str("</main></body></html>\n");
    page
}

fn section(page: &mut String, history: &History, violation: &Violation) {
    let mild = if violation.severity == crate::judge::Severity::Data { "" } else { " mild" };
    let keys: Vec<String> = violation.keys.iter().map(|key| words::name_of(history, *key)).collect();
    let reason = escape(&capital(&violation.reason)).replacen('`', "<code>", 1).replacen('`', "</code>", 1);
    let _ = write!(page, "<section><span class=\"how{mild}\">{}</span><h1>{reason}</h1>", words::severity(violation.severity));
    let _ = write!(page, "<p>Keys: <b>{}</b>. Seed: <b>{}</b>. ", escape(&shortened(&keys)), history.seed);
    page.push_str(
        "These operations alone prove it: whatever else the clients wrote may or may not have happened, and it does not help.</p>",
    );
    if let Some(leniency) = violation.explained_by {
        let _ = write!(page, "<p>It would be explained by <b>{}</b>.</p>", escape(leniency));
    }
    picture(page, history, violation);
    legend(page);
    states(page, violation);
    table(page, history, violation);
    page.push_str("</section>\n");
}

fn shortened(keys: &[String]) -> String {
    let more = keys.len().saturating_sub(8);
    let first = keys[..keys.len() - more].join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// How times become places: the stretches in which nothing begins or ends are drawn short, so that a read long after its write is still beside it.
struct Scale {
    /// Moments, ascending, each with its place.
    moments: Vec<(u64, f64)>,
}

impl Scale {
    fn of(operations: &[&Operation]) -> Self {
        let mut times: Vec<u64> = operations.iter().flat_map(|operation| [Some(operation.called), operation.returned]).flatten().collect();
        times.sort_unstable();
        times.dedup();
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mut sorted = gaps.clone();
        sorted.sort_by(f64::total_cmp);
        let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0).max(1.0);
        let drawn: Vec<f64> = gaps.iter().map(|gap| (gap / usual).clamp(0.35, 3.0)).collect();
        let unit = WIDTH / drawn.iter().sum::<f64>().max(1.0);
        let mut moments: Vec<(u64, f64)> = times.first().map(|first| (*first, LEFT + 14.0)).into_iter().collect();
        for (time, gap) in times.iter().skip(1).zip(drawn) {
            let before = moments.last().map_or(LEFT, |(_, place)| *place);
            moments.push((*time, before + gap * unit));
        }
        Self { moments }
    }

    fn place(&self, time: u64) -> f64 {
        let after = self.moments.partition_point(|(moment, _)| *moment < time);
        match (after.checked_sub(1).and_then(|before| self.moments.get(before)), self.moments.get(after)) {
            (Some((t0, x0)), Some((t1, x1))) => x0 + (x1 - x0) * (time - t0) as f64 / (t1 - t0) as f64,
            (Some((_, place)), None) | (None, Some((_, place))) => *place,
            (None, None) => LEFT,
        }
    }
}

fn picture(page: &mut String, history: &History, violation: &Violation) {
    let operations: Vec<&Operation> = violation.operations.iter().map(|at| &history.operations[*at]).collect();
    let scale = Scale::of(&operations);
    let mut clients: Vec<u32> = operations.iter().map(|operation| operation.client).collect();
    clients.sort_unstable();
    clients.dedup();
    let (width, height) = (LEFT + WIDTH + RIGHT, TOP + LANE * clients.len() as f64 + 10.0);
    let _ = write!(
        page,
        "<div class=\"scroll\"><svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"time line\">"
    );
    ticks(page, &scale, height);
    for (lane, client) in clients.iter().enumerate() {
        let y = TOP + LANE * lane as f64;
        let _ = write!(
            page,
            "<rect class=\"lane\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/>",
            y + 3.0,
            WIDTH + RIGHT,
            LANE - 6.0
        );
        let _ = write!(page, "<text class=\"who\" x=\"4\" y=\"{}\">client {client}</text>", y + LANE / 2.0 + 4.0);
    }
    let lane_of = |operation: &Operation| clients.iter().position(|client| *client == operation.client).unwrap_or(0) as f64;
    let marks = marks(history, violation, &scale, lane_of);
    let path: Vec<String> = marks.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(page, "<polyline class=\"path\" points=\"{}\"/>", path.join(" "));
    for at in &violation.operations {
        bar(page, history, violation, *at, &scale, TOP + LANE * lane_of(&history.operations[*at]));
    }
    for (number, (x, y)) in marks.iter().enumerate() {
        let number = number + 1;
        let _ = write!(page, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>");
        let _ = write!(page, "<text class=\"number\" x=\"{x:.1}\" y=\"{:.1}\">{number}</text>", y + 3.5);
    }
    page.push_str("</svg></div>");
}

fn ticks(page: &mut String, scale: &Scale, height: f64) {
    let mut last = f64::MIN;
    for (time, place) in &scale.moments {
        let _ = write!(page, "<line class=\"grid\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"24\" y2=\"{height}\"/>");
        if place - last > 76.0 {
            let _ = write!(
                page,
                "<text class=\"tick\" x=\"{place:.1}\" y=\"17\" text-anchor=\"middle\">{} ms</text>",
                words::milliseconds(*time)
            );
            last = *place;
        }
    }
}

fn bar(page: &mut String, history: &History, violation: &Violation, at: usize, scale: &Scale, y: f64) {
    let operation = &history.operations[at];
    let wrong = violation.unordered.contains(&at);
    let class = if wrong { "bad" } else { kind(operation) };
    let from = scale.place(operation.called);
    let label = format!("{} → {}", words::request(history, &operation.request), words::outcome(&operation.outcome));
    let top = y + 27.0;
    let to = operation.returned.map_or(LEFT + WIDTH + RIGHT - 24.0, |returned| scale.place(returned).max(from + 3.0));
    let title = escape(&words::line(history, at));
    let _ = write!(
        page,
        "<g><title>{title}</title><rect class=\"bar {class}\" x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"16\"/>",
        to - from
    );
    if operation.returned.is_none() {
        // An open end: it may take effect at any later moment.
        let _ = write!(page, "<path class=\"{class}\" d=\"M{:.1} {top}l18 8l-18 8z\"/>", to - 2.0);
    }
    // A label that would leave the picture ends at its bar instead of beginning there.
    let room = LEFT + WIDTH + RIGHT - from;
    let (x, anchor) = if label.chars().count() as f64 * 7.3 > room { (LEFT + WIDTH + RIGHT - 4.0, "end") } else { (from, "start") };
    let wrong = if wrong { " wrong" } else { "" };
    let _ =
        write!(page, "<text class=\"say{wrong}\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text></g>", y + 20.0, escape(&label));
}

fn kind(operation: &Operation) -> &'static str {
    match operation.outcome {
        Outcome::Written(_) | Outcome::Deleted => "write",
        Outcome::Found { .. } => "read",
        Outcome::Unknown => "unknown",
        Outcome::Missing | Outcome::Failed { .. } | Outcome::Conflict | Outcome::Refused => "refused",
    }
}

/// Where the longest order that was found has its instants.
fn marks(history: &History, violation: &Violation, scale: &Scale, lane_of: impl Fn(&Operation) -> f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (at, instant) in &violation.order {
        let operation = &history.operations[*at];
        let beside = points.last().map_or(0.0, |(before, _)| before + 5.0);
        let end = operation.returned.map_or(f64::MAX, |returned| scale.place(returned));
        points.push(((scale.place(*instant) + 7.0).max(beside).min(end), TOP + LANE * lane_of(operation) + 35.0));
    }
    points
}

fn legend(page: &mut String) {
    page.push_str("<ul>");
    let kinds = [
        ("write", "a write that succeeded"),
        ("read", "a read"),
        ("refused", "a refusal"),
        ("unknown", "an answer that never came"),
        ("bad", "no place in any order"),
    ];
    for (class, says) in kinds {
        let _ = write!(page, "<li><span class=\"key\" style=\"background:var(--{class})\"></span>{says}</li>");
    }
    page.push_str("<li>numbers: the longest order that explains the others, each at a possible instant</li><li>time is drawn shorter where nothing happens</li></ul>");
}

fn states(page: &mut String, violation: &Violation) {
    if violation.states.is_empty() {
        return;
    }
    page.push_str("<h2>What the keys could hold when it should have happened</h2><table>");
    for state in &violation.states {
        let _ = write!(page, "<tr><td>{}</td></tr>", escape(state));
    }
    page.push_str("</table>");
}

fn table(page: &mut String, history: &History, violation: &Violation) {
    page.push_str("<h2>The operations</h2><div class=\"scroll\"><table><tr><th>order</th><th>client</th><th>called, ms</th><th>returned, ms</th><th>request</th><th>answer</th></tr>");
    for at in &violation.operations {
        let operation = &history.operations[*at];
        let wrong = if violation.unordered.contains(at) { " class=\"wrong\"" } else { "" };
        let number = violation
            .order
            .iter()
            .position(|(ordered, _)| ordered == at)
            .map_or_else(|| "none".to_owned(), |place| (place + 1).to_string());
        let returned = operation.returned.map_or_else(|| "never".to_owned(), words::milliseconds);
        let _ = write!(
            page,
            "<tr{wrong}><td>{number}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{returned}</td><td>{}</td><td>{}</td></tr>",
            operation.client,
            words::milliseconds(operation.called),
            escape(&words::request(history, &operation.request)),
            escape(&words::outcome(&operation.outcome)),
        );
    }
    page.push_str("</table></div>");
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
