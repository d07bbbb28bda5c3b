//! A cursor over a request document, without recursion and without a tree.
//!
//! It goes only where a grammar leads it: an element that the grammar does not name is refused at once, so the depth is
//! that of the grammar whatever the input. DOCTYPE, processing instructions and entities other than the five predefined
//! ones and character references are refused. Namespaces are not judged: documents come with and without S3's.

use std::borrow::Cow;

use holdfast_model::limits::{XML_BYTES_MAX, XML_DEPTH_MAX};
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use crate::error::S3Error;

/// Attributes of one element; only namespace declarations are expected.
const ATTRIBUTES_MAX: usize = 16;

/// A document that is being read. After any error it is not used again.
pub(super) struct Document<'x> {
    reader: Reader<&'x [u8]>,
    /// Elements that are open.
    depth: usize,
    /// The element just opened was `<empty/>`: its end comes without an event.
    empty: bool,
}

type Result<T> = std::result::Result<T, S3Error>;

impl<'x> Document<'x> {
    /// Opens the document and its root element, which must be `root`.
    pub(super) fn open(bytes: &'x [u8], root: &'static str) -> Result<Self> {
        if bytes.len() > XML_BYTES_MAX {
            return Err(S3Error::malformed_xml(format!("the document has more than {XML_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| S3Error::malformed_xml("the document is not UTF-8"))?;
        let mut document = Self { reader: Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)), depth: 0, empty: false };
        let mut begun = false;
        loop {
            match document.event()? {
                Event::Decl(declaration) if !begun => match declaration.encoding() {
                    None => {}
                    Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => {}
                    _ => return Err(S3Error::malformed_xml("the document declares an encoding other than UTF-8")),
                },
                Event::Start(tag) => return document.enter(&tag, &[root], false).map(|_| document),
                Event::Empty(tag) => return document.enter(&tag, &[root], true).map(|_| document),
                Event::Comment(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Eof => return Err(S3Error::malformed_xml("the document is empty")),
                _ => return Err(S3Error::malformed_xml(format!("only <{root}> may stand at the top"))),
            }
            begun = true;
        }
    }

    /// The next child of the open element, which must be one of `names`; `None` when the element ends.
    pub(super) fn child(&mut self, names: &[&'static str]) -> Result<Option<&'static str>> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Start(tag) => return self.enter(&tag, names, false).map(Some),
                Event::Empty(tag) => return self.enter(&tag, names, true).map(Some),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(None);
                }
                Event::Comment(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Eof => return Err(S3Error::malformed_xml("the document ends too early")),
                _ => return Err(S3Error::malformed_xml(format!("only {} may stand here", names.join(", ")))),
            }
        }
    }

    /// The text of the open element up to its end; it has no children.
    pub(super) fn text(&mut self) -> Result<Cow<'x, str>> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(Cow::Borrowed(""));
        }
        let mut text: Cow<'x, str> = Cow::Borrowed("");
        loop {
            match self.event()? {
                Event::Text(more) => append(&mut text, more.xml10_content()),
                Event::CData(more) => append(&mut text, more.xml10_content()),
                Event::GeneralRef(reference) => text.to_mut().push(resolve(&reference)?),
                Event::Comment(_) => {}
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(text);
                }
                Event::Eof => return Err(S3Error::malformed_xml("the document ends too early")),
                _ => return Err(S3Error::malformed_xml("an element stands where only text is expected")),
            }
        }
    }

    /// Checks that nothing follows the root element.
    pub(super) fn finish(mut self) -> Result<()> {
        debug_assert_eq!(self.depth, 0, "the grammar left an element open");
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(S3Error::malformed_xml("something follows the end of the document")),
            }
        }
    }

    fn event(&mut self) -> Result<Event<'x>> {
        self.reader.read_event().map_err(S3Error::malformed_xml)
    }

    fn enter(&mut self, tag: &BytesStart<'_>, names: &[&'static str], empty: bool) -> Result<&'static str> {
        let mut attributes = 0;
        let mut listed = tag.attributes();
        for attribute in listed.with_checks(false) {
            attribute.map_err(S3Error::malformed_xml)?;
            attributes += 1;
            if attributes > ATTRIBUTES_MAX {
                return Err(S3Error::malformed_xml("an element has too many attributes"));
            }
        }
        let local = tag.local_name();
        let local = local.into_inner();
        let Some(name) = names.iter().find(|name| **name == local) else {
            let shown: String = local.chars().take(64).collect();
            return Err(S3Error::malformed_xml(format!("<{shown}> stands where only {} may", names.join(", "))));
        };
        self.depth += 1;
        debug_assert!(self.depth <= XML_DEPTH_MAX, "a grammar is deeper than documents may be");
        self.empty = empty;
        Ok(name)
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

fn append<'x>(text: &mut Cow<'x, str>, more: Cow<'x, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Character references may stand for any character, also one that XML 1.0 forbids: keys have such characters.
fn resolve(reference: &BytesRef<'_>) -> Result<char> {
    let name = reference.borrow().into_inner();
    let character = match &*name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        other => other.strip_prefix('#').and_then(|number| {
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            let plain = !digits.is_empty() && digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if plain { u32::from_str_radix(digits, radix).ok().and_then(char::from_u32) } else { None }
        }),
    };
    character.ok_or_else(|| S3Error::malformed_xml("an entity other than the five predefined ones and character references"))
}
