//! The same findings in three views.

use super::*;
use crate::conformance::{Part, Presence};

fn row(id: &str, verdict: RowVerdict) -> Checked {
    let text = |what: &str| format!("{what} of {id} <&>");
    Checked {
        id: id.to_owned(),
        group: "PutObject",
        sent: text("sent"),
        expected: text("expected"),
        also: Vec::new(),
        came: text("came"),
        verdict,
    }
}

fn deviation(severity: Severity) -> RowVerdict {
    RowVerdict::Deviates { severity, ignored: severity == Severity::DataLoss, why: "so".to_owned() }
}

fn probed(presence: Presence) -> Probed {
    Probed { part: Part::Rename, name: Part::Rename.name(), of_s3: true, presence, came: "200".to_owned() }
}

fn report(parts: Vec<Probed>, rows: Vec<Checked>) -> Report {
    Report {
        format: Report::FORMAT,
        version: "1.2.3",
        endpoints: vec!["http://<store>:1".to_owned()],
        began: "2026-01-02T03:04:05Z".to_owned(),
        took_seconds: 1.5,
        parts,
        conformance: Some(rows),
        races: None,
    }
}

fn races(violations: Vec<Unordered>, undecided: usize) -> Races {
    let contest = Judged {
        name: "swap",
        operations: 1000,
        groups: 4,
        conflicts: 10,
        unknown: 1,
        seconds: 2.0,
        judged_seconds: 0.5,
        longest_search_seconds: 0.25,
        violations,
        more_violations: 0,
        undecided,
    };
    let figures = Figures { operations: 1_234_567, ..Figures::default() };
    Races { seed: 7, clients: 4, seconds: 2.0, disturbances: 0, strict: true, figures, seen: Vec::new(), contests: vec![contest] }
}

fn unordered(severity: &'static str) -> Unordered {
    let text = "first line\noperation <1>\n".to_owned();
    Unordered {
        severity,
        reason: "nothing explains <it>".to_owned(),
        explained_by: None,
        text,
        picture: "<style>:root{--a:b}</style><body><main><i>picture</i></main>".to_owned(),
    }
}

#[test]
fn the_answer_is_that_of_the_worst_finding() {
    let holds = || row("a", RowVerdict::Holds);
    let untried = || row("b", RowVerdict::NotRun { why: "x".to_owned() });
    let rows = |severity| vec![holds(), row("b", deviation(severity))];
    let with_races = |races: Races| Report { races: Some(races), ..report(Vec::new(), vec![holds()]) };
    for (report, expected) in [
        (report(Vec::new(), vec![holds()]), Answer::Clean),
        (report(vec![probed(Presence::NotSupported)], vec![holds()]), Answer::Clean),
        (report(vec![probed(Presence::Ignored)], vec![holds()]), Answer::Broken),
        (report(Vec::new(), rows(Severity::WrongCode)), Answer::Differs),
        (report(Vec::new(), rows(Severity::WrongAnswer)), Answer::Differs),
        (report(Vec::new(), rows(Severity::FalseSuccess)), Answer::Broken),
        (report(Vec::new(), rows(Severity::DataLoss)), Answer::Broken),
        (report(Vec::new(), vec![holds(), untried()]), Answer::Incomplete),
        (with_races(races(Vec::new(), 0)), Answer::Clean),
        (with_races(races(Vec::new(), 1)), Answer::Incomplete),
        (with_races(races(vec![unordered("code")], 0)), Answer::Differs),
        (with_races(races(vec![unordered("data")], 0)), Answer::Broken),
    ] {
        assert_eq!(report.answer(), expected, "{report:?}");
        assert_eq!(report.violations() > 0, matches!(expected, Answer::Differs | Answer::Broken));
    }
}

#[test]
fn every_view_names_every_deviation_and_the_worst_comes_first() {
    let rows = vec![row("mild", deviation(Severity::WrongCode)), row("fine", RowVerdict::Holds), row("bad", deviation(Severity::DataLoss))];
    let report = Report { races: Some(races(vec![unordered("data")], 0)), ..report(vec![probed(Presence::Ignored)], rows) };
    let plain = text(&report, false);
    assert!(plain.find("data loss bad").expect("named") < plain.find("wrong code mild").expect("named"), "{plain}");
    assert!(plain.contains("ignored: dangerous") && plain.contains("operation <1>") && !plain.contains('\x1b'), "{plain}");
    assert!(text(&report, true).contains("\x1b[31;1m"));
    let page = html(&report);
    assert!(
        page.contains("came of bad &lt;&amp;&gt;") && !page.contains("<&>") && !page.contains("<store>") && !page.contains("<it>"),
        "what came is escaped"
    );
    assert!(page.contains("<style>:host{--a:b}</style><main><i>picture</i></main></template>") && page.contains("1,234,567"), "{page}");
    assert!(!page.contains(" src=") && !page.contains("href="), "the page loads nothing");
}

#[test]
fn the_json_keeps_its_shape() {
    let rows = vec![row("bad", deviation(Severity::DataLoss)), row("fine", RowVerdict::Holds)];
    let report = Report { races: Some(races(vec![unordered("data")], 0)), ..report(vec![probed(Presence::Supported)], rows) };
    let json = report.json();
    assert_eq!((&json["format"], &json["verdict"], &json["violations"]), (&1.into(), &"broken".into(), &2.into()));
    let bad = &json["conformance"][0];
    assert_eq!((&bad["id"], &bad["verdict"], &bad["severity"]), (&"bad".into(), &"deviates".into(), &"data-loss".into()));
    assert_eq!((&bad["ignored"], &json["conformance"][1]["verdict"]), (&true.into(), &"holds".into()));
    assert_eq!((&json["parts"][0]["part"], &json["parts"][0]["presence"]), (&"rename".into(), &"supported".into()));
    let contest = &json["races"]["contests"][0];
    assert_eq!((&contest["name"], &contest["violations"][0]["severity"]), (&"swap".into(), &"data".into()));
    assert_eq!((&json["races"]["seed"], &json["races"]["figures"]["operations"]), (&7.into(), &1_234_567.into()));
}
