//! Writes XML into one `String`.
//!
//! Texts are escaped so that a reader gets them back unchanged. Characters that XML 1.0 cannot carry are
//! written as character references, as S3 does; a client that has such keys lists them with `encoding-type=url`.

use std::fmt::Write as _;

/// The namespace of S3's documents.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document in the making. The caller closes what it opens.
#[derive(Debug)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// Begins a document; `capacity` in bytes spares reallocation.
    pub fn document(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity.max(128));
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Self { out }
    }

    /// Opens the root element, in S3's namespace.
    pub fn open_root(&mut self, tag: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push_str(" xmlns=\"");
        self.out.push_str(NAMESPACE);
        self.out.push_str("\">");
    }

    /// `<tag>`.
    pub fn open(&mut self, tag: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// `</tag>`.
    pub fn close(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// `<tag>text</tag>`, escaped.
    pub fn text(&mut self, tag: &str, text: &str) {
        self.open(tag);
        self.characters(text);
        self.close(tag);
    }

    /// `<tag>text</tag>` if there is a text.
    pub fn text_if(&mut self, tag: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(tag, text);
        }
    }

    /// `<tag>number</tag>`.
    pub fn number(&mut self, tag: &str, number: u64) {
        self.open(tag);
        let _ = write!(self.out, "{number}");
        self.close(tag);
    }

    /// `<tag>true</tag>` or `<tag>false</tag>`.
    pub fn boolean(&mut self, tag: &str, value: bool) {
        self.text(tag, if value { "true" } else { "false" });
    }

    /// Like [`Self::text`] for texts that people read: characters that XML 1.0 cannot carry become U+FFFD, so that no parser
    /// stumbles over an error because of the key that it names.
    pub fn legible(&mut self, tag: &str, text: &str) {
        let carried = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        if text.chars().all(carried) {
            return self.text(tag, text);
        }
        let text: String = text.chars().map(|c| if carried(c) { c } else { '\u{fffd}' }).collect();
        self.text(tag, &text);
    }

    /// The document so far, to append characters to that need no escaping.
    pub(super) fn plain(&mut self) -> &mut String {
        &mut self.out
    }

    /// Escaped character data.
    pub fn characters(&mut self, text: &str) {
        // 0xEF begins U+FFFE and U+FFFF, among others.
        if text.bytes().all(|b| b >= b' ' && !matches!(b, b'<' | b'>' | b'&' | b'"' | 0xef)) {
            return self.out.push_str(text);
        }
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let reference = match c {
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                '"' => "&quot;",
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "",
                _ => continue,
            };
            self.out.push_str(&text[plain..at]);
            plain = at + c.len_utf8();
            if reference.is_empty() {
                let _ = write!(self.out, "&#x{:X};", u32::from(c));
            } else {
                self.out.push_str(reference);
            }
        }
        self.out.push_str(&text[plain..]);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_exactly() {
        for (text, expect) in [
            ("", ""),
            ("plain/\u{e9}\u{1f980}'", "plain/\u{e9}\u{1f980}'"),
            ("\"<a&b>\"", "&quot;&lt;a&amp;b&gt;&quot;"),
            ("\0\u{1}\t\r\n\u{1f}\u{7f}", "&#x0;&#x1;&#x9;&#xD;&#xA;&#x1F;\u{7f}"),
            ("\u{fffe}\u{ffff}\u{fffd}", "&#xFFFE;&#xFFFF;\u{fffd}"),
        ] {
            let mut xml = XmlWriter { out: String::new() };
            xml.text("k", text);
            assert_eq!(xml.finish(), format!("<k>{expect}</k>"));
        }
    }

    #[test]
    fn legible_texts_have_only_characters_of_xml() {
        let mut xml = XmlWriter { out: String::new() };
        xml.legible("k", "a\0\u{1f}\u{fffe}\n<");
        assert_eq!(xml.finish(), "<k>a\u{fffd}\u{fffd}\u{fffd}&#xA;&lt;</k>");
    }
}
