//! The rules about single files: headers, sizes, bans, and the one place that knows S3's error codes.

use crate::source::Source;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Where the error codes of S3 are spelled. Everyone else says `Code::SlowDown.name()`, or has facts that map to a code.
const ERROR_CODES: &str = "crates/s3/src/error";
/// Files that spell some of them all the same, and why.
const ERROR_CODES_ALSO_IN: &[(&str, &str)] = &[
    ("crates/server/src/head_rules.rs", "refuses what HTTP cannot read, before there is a request that the S3 wire could answer"),
    ("crates/server/src/front.rs", "refuses for want of room, before there is a request that the S3 wire could answer"),
];

/// The only crate that may have `unsafe`, once it is there: bindings to librados.
const UNSAFE_ALLOWED: &str = "crates/rados/";

/// Files that may sleep on a thread, and why. Waiting for a thing means a channel, a condition or a notification.
const SLEEP_ALLOWED: &[(&str, &str)] = &[];

/// Code that must not be there, and what to do about it. Macros and attributes are found in code, not in comments.
const BANNED: &[(&str, &str)] = &[
    ("todo!", "write it, or leave it out"),
    ("unimplemented!", "return an error that says so"),
    ("#[ignore", "a test that does not run proves nothing; scale it by an environment variable"),
    ("dbg!", "log with tracing"),
];

/// Marks of unfinished work, banned in comments as well. Spelled in two pieces so that this file passes.
const UNFINISHED: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X:")];

/// Checks all rules of this file.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let codes = error_codes(sources);
    sources.iter().flat_map(|source| one_file(source, &codes)).collect()
}

fn one_file(source: &Source, codes: &[String]) -> Vec<String> {
    let path = &source.path;
    let mut found = Vec::new();
    if !source.opens_with_header {
        found.push(format!("{path}:1: a file opens with `//!` lines: what it owns, what must stay true"));
    }
    if !source.is_test_file() && source.lines_without_tests() > FILE_LINES_MAX {
        found.push(format!("{path}:1: {} lines without tests; split it, {FILE_LINES_MAX} are the most", source.lines_without_tests()));
    }
    for function in source.functions() {
        if function.lines > FUNCTION_LINES_MAX {
            found.push(format!(
                "{path}:{}: `{}` has {} lines, {FUNCTION_LINES_MAX} are the most",
                function.line, function.name, function.lines
            ));
        }
    }
    for (banned, advice) in BANNED {
        found.extend(source.lines_with(banned).iter().map(|line| format!("{path}:{line}: `{banned}`: {advice}")));
    }
    if !path.starts_with(UNSAFE_ALLOWED) {
        found.extend(source.lines_with("unsafe").iter().map(|line| format!("{path}:{line}: `unsafe` outside {UNSAFE_ALLOWED}")));
    }
    if !SLEEP_ALLOWED.iter().any(|(allowed, _)| allowed == path) {
        found.extend(
            source.lines_with("thread::sleep").iter().map(|line| format!("{path}:{line}: `thread::sleep`: wait for the thing itself")),
        );
    }
    found.extend(unfinished(source));
    found.extend(foreign_error_codes(source, codes));
    found
}

fn unfinished(source: &Source) -> Vec<String> {
    let marked = |line: &str| UNFINISHED.iter().find(|mark| line.contains(**mark)).copied();
    source
        .text
        .iter()
        .enumerate()
        .filter_map(|(i, line)| marked(line).map(|mark| format!("{}:{}: {mark} in the code", source.path, i + 1)))
        .collect()
}

/// The names in the table of `crates/s3/src/error.rs`: literals that a status follows.
fn error_codes(sources: &[Source]) -> Vec<String> {
    let Some(table) = sources.iter().find(|s| s.path == format!("{ERROR_CODES}.rs")) else { return Vec::new() };
    let names_a_code = |text: &str| text.chars().all(char::is_alphanumeric) && text.starts_with(|c: char| c.is_ascii_uppercase());
    let first_of_its_line = |i: usize| i == 0 || table.literals[i - 1].line != table.literals[i].line;
    let followed_by_message = |i: usize| table.literals.get(i + 1).is_some_and(|next| next.line == table.literals[i].line);
    (0..table.literals.len())
        .filter(|&i| first_of_its_line(i) && followed_by_message(i) && !table.tests_at(table.literals[i].line))
        .map(|i| table.literals[i].text.clone())
        .filter(|text| names_a_code(text))
        .collect()
}

fn foreign_error_codes(source: &Source, codes: &[String]) -> Vec<String> {
    let exempt = source.path.starts_with(ERROR_CODES) || ERROR_CODES_ALSO_IN.iter().any(|(path, _)| *path == source.path);
    // The checker expects codes and must not learn them from the server: the judge is not the accused.
    if exempt || !source.path.starts_with("crates/") || source.path.starts_with("crates/verify/") {
        return Vec::new();
    }
    let spelled = source.literals.iter().filter(|l| codes.contains(&l.text) && !source.tests_at(l.line));
    spelled.map(|l| format!("{}:{}: the error code \"{}\" belongs to {ERROR_CODES}.rs", source.path, l.line, l.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(path: &str, text: &str) -> Vec<String> {
        let table = Source::new("crates/s3/src/error.rs", "//! t\ncodes! {\n A \"SlowDown\" 503 \"Slower.\";\n}\n");
        check(&[table, Source::new(path, text)])
    }

    #[test]
    fn the_checker_spells_the_codes_that_it_expects() {
        let text = "//! x\nfn f() { code(\"SlowDown\") }\n";
        assert_eq!((violations("crates/verify/src/x.rs", text).len(), violations("crates/cli/src/x.rs", text).len()), (0, 1));
    }

    #[test]
    fn every_rule_has_something_that_breaks_it() {
        let long_function = format!("//! x\nfn f() {{\n{}}}\n", "a();\n".repeat(71));
        let long_file = format!("//! x\n{}", "// a\n".repeat(600));
        let unfinished = format!("//! x\n// {}\n", UNFINISHED[0]);
        for (text, expected) in [
            ("fn f() {}\n", "opens with"),
            ("//! x\nfn f() { todo!() }\n", "todo!"),
            ("//! x\nfn f() { unimplemented!() }\n", "unimplemented!"),
            ("//! x\n#[ignore]\nfn f() {}\n", "#[ignore"),
            ("//! x\nunsafe fn f() {}\n", "unsafe"),
            ("//! x\nfn f() { std::thread::sleep(d) }\n", "thread::sleep"),
            ("//! x\nfn f() { code(\"SlowDown\") }\n", "SlowDown"),
            (&unfinished, "in the code"),
            (&long_function, "71 lines"),
            (&long_file, "601 lines"),
        ] {
            let found = violations("crates/objects/src/x.rs", text);
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn what_the_rules_allow_passes() {
        let long_tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// a\n".repeat(700));
        for (path, text) in [
            ("crates/objects/src/x.rs", "//! unsafe, todo! and \"SlowDown\" are words here\nfn f() { g(\"todo! SlowDown\") }\n"),
            ("crates/rados/src/sys.rs", "//! x\nunsafe fn f() {}\n"),
            ("crates/s3/src/error/mapping.rs", "//! x\nconst A: &str = \"SlowDown\";\n"),
            ("crates/objects/tests/x.rs", "//! x\nfn f() { assert_eq!(code, \"SlowDown\") }\n"),
            ("crates/objects/src/x.rs", &long_tests),
        ] {
            assert_eq!(violations(path, text), Vec::<String>::new(), "{path}");
        }
    }
}
