//! A Rust file as the rules read it: code without comments and strings, string literals apart, tests marked.
//!
//! This is a lexer, not a parser: it knows comments (nested), strings (raw, byte, C), character literals and braces.
//! That is enough for the rules here, and it needs no dependency that follows the language.

/// A string literal and the line (from 1) where it starts.
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A function: its name, the line of `fn`, and how many lines of its body have code on them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// One file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) opens_with_header: bool,
    /// The file, line for line.
    pub(crate) text: Vec<String>,
    /// The text with comments and literals blanked out, line for line as the file.
    pub(crate) code: Vec<String>,
    /// For each line, whether it is inside a `#[cfg(test)]` item.
    pub(crate) is_test: Vec<bool>,
    pub(crate) literals: Vec<Literal>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, literals) = blank(text);
        let code: Vec<String> = code.lines().map(str::to_owned).collect();
        let is_test = test_lines(&code);
        Self {
            path: path.to_owned(),
            opens_with_header: text.starts_with("//!"),
            text: text.lines().map(str::to_owned).collect(),
            code,
            is_test,
            literals,
        }
    }

    /// Whether the whole file is tests: by its place or its name.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("_tests.rs")
            || self.path.ends_with("/tests.rs")
    }

    /// Whether `line` (from 1) is test code.
    pub(crate) fn tests_at(&self, line: usize) -> bool {
        self.is_test_file() || self.is_test.get(line - 1).copied().unwrap_or(false)
    }

    /// Lines of the file outside its tests.
    pub(crate) fn lines_without_tests(&self) -> usize {
        self.is_test.iter().filter(|test| !**test).count()
    }

    /// Lines (from 1) where `word` stands in the code, not as part of a longer name.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        self.code.iter().enumerate().filter(|(_, line)| has_word(line, word)).map(|(i, _)| i + 1).collect()
    }

    /// Every function that has a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let text = self.code.join("\n");
        let mut found = Vec::new();
        for (at, _) in text.match_indices("fn ") {
            let standalone = !text[..at].ends_with(|c: char| is_name(c));
            let name: String = text[at + 3..].chars().take_while(|c| is_name(*c)).collect();
            if !standalone || name.is_empty() {
                continue;
            }
            if let Some((open, close)) = body(&text, at) {
                let lines = text[open + 1..close].lines().filter(|l| !l.trim().is_empty()).count();
                found.push(Function { name, line: text[..at].matches('\n').count() + 1, lines });
            }
        }
        found
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let starts = !line[..at].ends_with(is_name) || !word.starts_with(is_name);
        let ends = !line[at + word.len()..].starts_with(is_name) || !word.ends_with(is_name);
        starts && ends
    })
}

/// The byte offsets of the braces around the first block after `from`; `None` when `;` comes first.
fn body(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut nested = 0_usize;
    let mut open = None;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            ';' if nested == 0 => return None,
            '{' if nested == 0 => {
                open = Some(from + at);
                break;
            }
            _ => {}
        }
    }
    let open = open?;
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((open, open + at));
        }
    }
    None
}

fn test_lines(code: &[String]) -> Vec<bool> {
    let text = code.join("\n");
    let mut marked = vec![false; code.len()];
    for (at, _) in text.match_indices("#[cfg(test)]") {
        let first = text[..at].matches('\n').count();
        let end = body(&text, at).map_or(at, |(_, close)| close);
        let last = text[..end].matches('\n').count();
        marked[first..=last].fill(true);
    }
    marked
}

/// `text` with every character of comments and literals replaced by a space (line ends stay), and the strings found.
fn blank(text: &str) -> (String, Vec<Literal>) {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    let mut literals = Vec::new();
    while let Some(c) = rest.chars().next() {
        let named = code.ends_with(is_name);
        let taken = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest, &code, &mut literals),
            'r' | 'b' | 'c' if !named => match prefixed_string(rest) {
                Some((start, end)) => {
                    literals.push(Literal { line: code.matches('\n').count() + 1, text: rest[start.0..start.1].to_owned() });
                    end
                }
                None => 0,
            },
            '\'' => character(rest),
            _ => 0,
        };
        if taken == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..taken].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[taken..];
        }
    }
    (code, literals)
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string literal at the start of `text`; its content goes to `literals`.
fn string(text: &str, before: &str, literals: &mut Vec<Literal>) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                literals.push(Literal { line: before.matches('\n').count() + 1, text: text[1..at].to_owned() });
                return at + 1;
            }
            _ => {}
        }
    }
    text.len()
}

/// A raw, byte or C string at the start of `text`: where its content is, and where it ends.
fn prefixed_string(text: &str) -> Option<((usize, usize), usize)> {
    let prefix: usize =
        ["br", "cr", "r", "b", "c"].iter().find(|p| text[p.len()..].starts_with(['"', '#']) && text.starts_with(**p))?.len();
    let hashes = text[prefix..].chars().take_while(|c| *c == '#').count();
    let start = prefix + hashes + 1;
    if !text[prefix + hashes..].starts_with('"') {
        return None;
    }
    if text[..prefix].ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = text[start..].find(&end)?;
        return Some(((start, start + length), start + length + end.len()));
    }
    let length = string(&text[prefix..], "", &mut Vec::new());
    Some(((start, prefix + length - 1), prefix + length))
}

/// The length of a character literal at the start of `text`, 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some((_, _)) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a /* x /* y */ unsafe */ b // todo!\n'\\'' '\"' \"un\\\"safe\" r#\"a\"b\"# b\"c\" 'static {";
        let source = Source::new("x.rs", text);
        assert_eq!(source.code.len(), 2);
        assert!(source.lines_with("unsafe").is_empty());
        assert!(source.lines_with("todo!").is_empty());
        assert_eq!(source.lines_with("static"), [2]);
        let texts: Vec<&str> = source.literals.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["un\\\"safe", "a\"b", "c"]);
        assert!(source.literals.iter().all(|l| l.line == 2));
    }

    #[test]
    fn a_word_is_not_part_of_a_longer_name() {
        let source = Source::new("x.rs", "#![deny(unsafe_code)]\nunsafe fn f() {}\nnot_unsafe()\n");
        assert_eq!(source.lines_with("unsafe"), [2]);
    }

    #[test]
    fn functions_are_counted_by_lines_with_code() {
        let text = "trait T { fn declared(&self) -> [u8; 4]; }\nfn long() -> Result<(), ()> where u8: Copy {\n  // said\n\n  one();\n  if two { three(\"}\") }\n}\nlet f: fn (u8);\n";
        let found = Source::new("x.rs", text).functions();
        assert_eq!(found, [Function { name: "long".into(), line: 2, lines: 2 }]);
    }

    #[test]
    fn test_modules_do_not_count_as_lines_of_the_file() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n";
        let source = Source::new("crates/x/src/x.rs", text);
        assert_eq!(source.lines_without_tests(), 3);
        assert!(source.tests_at(4) && !source.tests_at(6));
    }
}
