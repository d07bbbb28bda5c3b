//! The query string of a request, decoded once.
//!
//! A `+` is a space here, as in forms and at S3; every SDK sends `%20` and `%2B`, so only hand-written queries notice.
//! No name that routing or an operation looks at is given twice.

use crate::{
    error::{Code, S3Error},
    uri::{Plus, decode},
};

/// Decoded pairs of a query string, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

/// Pairs of one query; the head of a request is bounded, this keeps the work per pair linear.
const PAIRS_MAX: usize = 256;

impl Query {
    /// Reads what follows the `?` of a request line.
    ///
    /// # Errors
    /// 400 InvalidURI for a broken encoding, 400 InvalidArgument for a name given twice or too many names.
    pub fn parse(raw: Option<&str>) -> Result<Self, S3Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |part: &str| decode(part.as_bytes(), Plus::Space).map_err(|e| S3Error::invalid_uri(format!("{e}, in the query")));
            let (name, value) = (text(name)?, text(value)?);
            if pairs.len() == PAIRS_MAX {
                return Err(S3Error::new(Code::InvalidArgument).with_message("The query has too many parameters; send at most 256."));
            }
            if pairs.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(&name)) {
                return Err(S3Error::invalid_argument(&name, &value, "This query parameter is given twice; send it once."));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter; the empty text if it came without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every pair.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_once_and_repeats_are_refused() {
        for (raw, expect) in [
            ("", Ok(vec![])),
            ("uploads", Ok(vec![("uploads", "")])),
            ("uploads=&&prefix=a%2Fb+c%2B", Ok(vec![("uploads", ""), ("prefix", "a/b c+")])),
            ("a=b=c", Ok(vec![("a", "b=c")])),
            ("prefix=%", Err(Code::InvalidUri)),
            ("prefix=%ff", Err(Code::InvalidUri)),
            ("%ff=1", Err(Code::InvalidUri)),
            ("uploadId=1&uploadId=1", Err(Code::InvalidArgument)),
            ("X-Amz-Date=1&x-amz-date=2", Err(Code::InvalidArgument)),
        ] {
            let parsed = Query::parse(Some(raw));
            let pairs = parsed.as_ref().map(|q| q.iter().collect::<Vec<_>>()).map_err(S3Error::code);
            assert_eq!(pairs, expect, "{raw}");
        }
        assert!(Query::parse(Some(&(0..300).map(|n| format!("k{n}&")).collect::<String>())).is_err());
    }
}
