//! The little of XML that a client reads: the text of elements by their names. Bounded by the size of the answer.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Whether the document is an `<Error>`.
pub(crate) fn is_error(document: &[u8]) -> bool {
    let mut reader = Reader::from_reader(document);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => return start.local_name().as_ref() == "Error",
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// The text of the first element of that name.
pub(crate) fn first(document: &[u8], name: &str) -> Option<String> {
    texts(document, name).into_iter().next()
}

/// The texts of all elements of that name, in order. What is malformed ends the reading.
pub(crate) fn texts(document: &[u8], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(document, name) {
        found.push(block.text);
    }
    found
}

/// The fields of each element `outer`: pairs of the names and texts of what is directly or deeper in it.
pub(crate) fn records(document: &[u8], outer: &str) -> Vec<Vec<(String, String)>> {
    blocks(document, outer).into_iter().map(|block| block.fields).collect()
}

/// The text of the first field of that name.
pub(crate) fn field<'a>(record: &'a [(String, String)], name: &str) -> Option<&'a str> {
    record.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str())
}

/// Text as XML content.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[derive(Default)]
struct Block {
    text: String,
    fields: Vec<(String, String)>,
}

fn blocks(document: &[u8], outer: &str) -> Vec<Block> {
    let mut reader = Reader::from_reader(document);
    let mut done = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    let mut names: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let name = start.local_name().as_ref().to_owned();
                if open.is_none() && name == outer {
                    open = Some((names.len(), Block::default()));
                }
                names.push((name, String::new()));
            }
            Ok(Event::Text(text)) => push(&mut names, &text),
            Ok(Event::CData(text)) => push(&mut names, &text),
            Ok(Event::GeneralRef(reference)) => push(&mut names, &resolved(&reference)),
            Ok(Event::End(_)) => {
                let Some((name, text)) = names.pop() else { return done };
                match open.take() {
                    Some((depth, mut block)) if depth == names.len() => {
                        block.text = text;
                        done.push(block);
                    }
                    Some((depth, mut block)) => {
                        block.fields.push((name, text));
                        open = Some((depth, block));
                    }
                    None => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return done,
            Ok(_) => {}
        }
    }
}

fn push(names: &mut [(String, String)], text: &str) {
    if let Some((_, so_far)) = names.last_mut() {
        so_far.push_str(text);
    }
}

/// What `&name;` stands for.
fn resolved(name: &str) -> String {
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    });
    match (name, number.and_then(char::from_u32)) {
        ("amp", _) => "&".into(),
        ("lt", _) => "<".into(),
        ("gt", _) => ">".into(),
        ("quot", _) => "\"".into(),
        ("apos", _) => "'".into(),
        (_, Some(c)) => c.into(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &[u8] =
        b"<?xml version=\"1.0\"?>\n<Error><Code>PreconditionFailed</Code><Condition>If-Match</Condition><Key>a&amp;b&#x41;</Key></Error>";
    const LIST: &[u8] = b"<ListBucketResult xmlns=\"x\"><Contents><Key>a</Key><Owner><ID>i</ID></Owner></Contents><Contents><Key>b</Key></Contents></ListBucketResult>";

    #[test]
    fn errors_are_told_from_results_and_their_fields_are_read() {
        assert!(is_error(ERROR) && !is_error(LIST) && !is_error(b"") && !is_error(b"plain"));
        assert_eq!(first(ERROR, "Code").as_deref(), Some("PreconditionFailed"));
        assert_eq!(first(ERROR, "Key").as_deref(), Some("a&bA"));
        assert_eq!(first(ERROR, "Nothing"), None);
    }

    #[test]
    fn records_keep_their_fields_together() {
        let found = records(LIST, "Contents");
        assert_eq!(found.len(), 2);
        assert_eq!((field(&found[0], "Key"), field(&found[0], "ID"), field(&found[1], "Key")), (Some("a"), Some("i"), Some("b")));
        assert_eq!(texts(LIST, "Key"), ["a", "b"]);
    }

    #[test]
    fn a_document_that_breaks_off_ends_the_reading() {
        assert!(records(b"<A><Contents><Key>a</Key>", "Contents").is_empty());
        assert_eq!(texts(b"</A><Key>a</Key>", "Key"), Vec::<String>::new());
    }
}
