//! Whether a licence expression (SPDX, or the older `A/B`) can be met with the licences that we take.

/// True when some choice that `expression` offers needs only licences for which `taken` holds.
pub(crate) fn is_met(expression: &str, taken: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, used) = any_of(&words, taken);
    met && used == words.len()
}

fn any_of(words: &[&str], taken: &dyn Fn(&str) -> bool) -> (bool, usize) {
    let (mut met, mut at) = all_of(words, taken);
    while words.get(at) == Some(&"OR") {
        let (next, used) = all_of(&words[at + 1..], taken);
        met |= next;
        at += 1 + used;
    }
    (met, at)
}

fn all_of(words: &[&str], taken: &dyn Fn(&str) -> bool) -> (bool, usize) {
    let (mut met, mut at) = one(words, taken);
    while words.get(at) == Some(&"AND") {
        let (next, used) = one(&words[at + 1..], taken);
        met &= next;
        at += 1 + used;
    }
    (met, at)
}

fn one(words: &[&str], taken: &dyn Fn(&str) -> bool) -> (bool, usize) {
    match words {
        ["(", rest @ ..] => {
            let (met, used) = any_of(rest, taken);
            (met && rest.get(used) == Some(&")"), used + 2)
        }
        [name, "WITH", exception, ..] => (taken(&format!("{name} WITH {exception}")) || taken(name), 3),
        [name, ..] => (taken(name), 1),
        [] => (false, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_means_them() {
        let taken = |name: &str| matches!(name, "MIT" | "Apache-2.0" | "ISC");
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("ISC AND (Apache-2.0 OR OpenSSL)", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("", false),
            ("(MIT", false),
            ("MIT MIT", false),
        ] {
            assert_eq!(is_met(expression, &taken), met, "{expression}");
        }
    }
}
