//! Section 2: conditions on writes, for each operation that writes an object.

use super::{needs, presence, row, short};
use crate::conformance::parts::Part;
use crate::conformance::row::{AWS, Case, Operation, RFC, Row, Severity, Want};

/// One line of the table: what comes where no object is and where one is.
struct Line {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    absent: Outcome,
    present: Outcome,
}

/// What must come, what else is right, and how bad another answer can be.
#[derive(Clone)]
struct Outcome {
    want: Want,
    also: &'static [(Want, &'static str)],
    worst: Severity,
}

const fn must(want: Want) -> Outcome {
    Outcome { want, also: &[], worst: Severity::DataLoss }
}

const fn or(want: Want, also: &'static [(Want, &'static str)]) -> Outcome {
    Outcome { want, also, worst: Severity::DataLoss }
}

const fn at_worst(want: Want, worst: Severity) -> Outcome {
    Outcome { want, also: NOT_IMPLEMENTED, worst }
}

/// The line makes no sense there.
const NEVER: Outcome = must(Want::refused(0, ""));

const NOT_IMPLEMENTED: &[(Want, &str)] = &[(Want::refused(501, "NotImplemented"), AWS)];
const FAILED_IN_RFC: &[(Want, &str)] = &[(Want::refused(412, "PreconditionFailed"), RFC), (Want::refused(501, "NotImplemented"), AWS)];
const DONE_IN_RFC: &[(Want, &str)] = &[(Want::Done, RFC), (Want::refused(501, "NotImplemented"), AWS)];
const FAILED_OR_MISSING: &[(Want, &str)] =
    &[(Want::MISSING, AWS), (Want::refused(412, "PreconditionFailed"), RFC), (Want::refused(501, "NotImplemented"), AWS)];

const IF_MATCH: Want = Want::failed("If-Match");
const IF_NONE_MATCH: Want = Want::failed("If-None-Match");
const GENERATION: Want = Want::failed("x-holdfast-if-generation-match");

const LINES: &[Line] = &[
    Line { name: "plain", headers: &[], absent: must(Want::Done), present: must(Want::Done) },
    Line { name: "if-none-match-star", headers: &[("if-none-match", "*")], absent: must(Want::Done), present: must(IF_NONE_MATCH) },
    Line {
        name: "if-none-match-quoted-star",
        headers: &[("if-none-match", "\"*\"")],
        absent: at_worst(Want::INVALID, Severity::WrongAnswer),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-equal-tag",
        headers: &[("if-none-match", "{etag}")],
        absent: or(Want::INVALID, DONE_IN_RFC),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-other-tag",
        headers: &[("if-none-match", "{other}")],
        absent: or(Want::INVALID, DONE_IN_RFC),
        present: or(Want::INVALID, DONE_IN_RFC),
    },
    Line {
        name: "if-none-match-list",
        headers: &[("if-none-match", "{other}, {etag}")],
        absent: or(Want::INVALID, DONE_IN_RFC),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-star-in-list",
        headers: &[("if-none-match", "{other}, *")],
        absent: at_worst(Want::INVALID, Severity::WrongAnswer),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-weak",
        headers: &[("if-none-match", "W/{etag}")],
        absent: or(Want::INVALID, DONE_IN_RFC),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-twice",
        headers: &[("if-none-match", "*"), ("if-none-match", "*")],
        absent: at_worst(Want::INVALID, Severity::WrongAnswer),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-none-match-empty",
        headers: &[("if-none-match", "")],
        absent: at_worst(Want::INVALID, Severity::WrongAnswer),
        present: or(Want::INVALID, NOT_IMPLEMENTED),
    },
    Line { name: "if-match-equal", headers: &[("if-match", "{etag}")], absent: must(Want::MISSING), present: must(Want::Done) },
    Line { name: "if-match-unquoted", headers: &[("if-match", "{bare}")], absent: must(Want::MISSING), present: must(Want::Done) },
    Line { name: "if-match-other", headers: &[("if-match", "{other}")], absent: must(Want::MISSING), present: must(IF_MATCH) },
    Line {
        name: "if-match-star",
        headers: &[("if-match", "*")],
        absent: or(Want::MISSING, NOT_IMPLEMENTED),
        present: or(Want::Done, NOT_IMPLEMENTED),
    },
    Line {
        name: "if-match-weak",
        headers: &[("if-match", "W/{etag}")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-match-list-with-equal",
        headers: &[("if-match", "{other}, {etag}")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, DONE_IN_RFC),
    },
    Line {
        name: "if-match-list-of-others",
        headers: &[("if-match", "{other}, \"x\"")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "if-match-twice",
        headers: &[("if-match", "{etag}"), ("if-match", "{other}")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, DONE_IN_RFC),
    },
    Line {
        name: "if-match-empty",
        headers: &[("if-match", "")],
        absent: at_worst(Want::INVALID, Severity::FalseSuccess),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "both",
        headers: &[("if-match", "{etag}"), ("if-none-match", "*")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
    Line {
        name: "both-contradicting",
        headers: &[("if-match", "{other}"), ("if-none-match", "*")],
        absent: or(Want::INVALID, FAILED_OR_MISSING),
        present: or(Want::INVALID, FAILED_IN_RFC),
    },
];

/// Beyond S3.
const GENERATIONS: &[Line] = &[
    Line { name: "generation-0", headers: &[(GENERATION_HEADER, "0")], absent: must(Want::Done), present: must(GENERATION) },
    Line {
        name: "generation-equal",
        headers: &[(GENERATION_HEADER, "{generation}")],
        absent: must(Want::MISSING),
        present: must(Want::Done),
    },
    Line { name: "generation-other", headers: &[(GENERATION_HEADER, "{generation+1}")], absent: NEVER, present: must(GENERATION) },
    Line {
        name: "generation-and-if-match",
        headers: &[(GENERATION_HEADER, "{generation}"), ("if-match", "{etag}")],
        absent: must(Want::MISSING),
        present: must(Want::Done),
    },
    Line {
        name: "generation-other-and-if-match",
        headers: &[(GENERATION_HEADER, "{generation+1}"), ("if-match", "{etag}")],
        absent: NEVER,
        present: must(GENERATION),
    },
    Line {
        name: "generation-and-if-match-other",
        headers: &[(GENERATION_HEADER, "{generation}"), ("if-match", "{other}")],
        absent: NEVER,
        present: must(IF_MATCH),
    },
    Line {
        name: "generation-no-number",
        headers: &[(GENERATION_HEADER, "many")],
        absent: must(Want::refused(400, "")),
        present: must(Want::refused(400, "")),
    },
];

const GENERATION_HEADER: &str = "x-holdfast-if-generation-match";

const OPERATIONS: [(Operation, &str); 5] = [
    (Operation::Put, "PutObject"),
    (Operation::Complete, "CompleteMultipartUpload"),
    (Operation::Copy, "CopyObject, destination"),
    (Operation::Rename, "RenameObject, destination"),
    (Operation::Append, "Append"),
];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (operation, group) in OPERATIONS {
        for line in LINES {
            rows.extend(of_line(operation, group, line, &needs(operation, !line.headers.is_empty()), false));
        }
        for line in GENERATIONS {
            let needs = [needs(operation, true), vec![Part::Generations]].concat();
            rows.extend(of_line(operation, group, line, &needs, false));
        }
    }
    for line in LINES.iter().filter(|line| !line.headers.is_empty() && !line.name.ends_with("twice")) {
        rows.extend(of_line(Operation::Put, "Presigned conditions", line, &[Part::PresignedConditions], true));
    }
    rows
}

fn of_line(operation: Operation, group: &'static str, line: &Line, needs: &[Part], presigned: bool) -> Vec<Row> {
    let states = [(false, &line.absent), (true, &line.present)];
    let one = |(present, outcome): (bool, &Outcome)| {
        let Outcome { want, also, worst } = outcome.clone();
        let mut case = Case::new(operation, present, line.headers, want);
        case.presigned = presigned;
        case.worst = worst;
        for (want, why) in also {
            case = case.also(want.clone(), why);
        }
        let prefix = if presigned { "presigned" } else { short(operation) };
        (outcome.want != NEVER.want).then(|| row(format!("{prefix}.{}.{}", line.name, presence(present)), group, needs, case))
    };
    states.into_iter().filter_map(one).collect()
}
