//! The table of settings: one row each, from which the command line, the environment and the file are read.
//!
//! A setting that is not a row does not exist, so the three sources cannot disagree about what they know.

/// How often a setting may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One value; the last source wins.
    One,
    /// Several values: a repeated flag, a comma-separated variable, an array in the file.
    Many,
    /// `true` or `false`; the bare flag means `true`.
    Switch,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The flag without `--`, and the key in the file.
    pub name: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// How often it may be given.
    pub arity: Arity,
    /// What the value is called in the help.
    pub value_name: &'static str,
    /// The value if no source has one.
    pub default: Option<&'static str>,
    /// One sentence for `--help`.
    pub help: &'static str,
}

/// Every setting of `holdfast serve`, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    one("data", "HOLDFAST_DATA", "DIR", None, "Folder that holds everything; created if missing"),
    one("listen", "HOLDFAST_LISTEN", "ADDR", Some("127.0.0.1:9000"), "Address of the S3 endpoint"),
    one("admin-listen", "HOLDFAST_ADMIN_LISTEN", "ADDR", None, "Address of /metrics and /health, apart from the S3 endpoint; plain HTTP"),
    Setting {
        name: "domain",
        env: "HOLDFAST_DOMAIN",
        arity: Arity::Many,
        value_name: "DOMAIN",
        default: None,
        help: "Serve bucket.DOMAIN as the bucket (virtual-hosted addressing); may be given several times",
    },
    one("config", "HOLDFAST_CONFIG", "FILE", None, "TOML file whose keys are these names; flags and environment go before it"),
    one("tls-cert", "HOLDFAST_TLS_CERT", "FILE", None, "PEM file of the certificate chain; needs tls-key; read again on SIGHUP"),
    one("tls-key", "HOLDFAST_TLS_KEY", "FILE", None, "PEM file of the private key"),
    Setting {
        name: "insecure",
        env: "HOLDFAST_INSECURE",
        arity: Arity::Switch,
        value_name: "BOOL",
        default: Some("false"),
        help: "Listen beyond loopback even without TLS or with credentials that nobody has seen yet",
    },
    one("region", "HOLDFAST_REGION", "NAME", Some("us-east-1"), "Region that clients sign for"),
    one("max-requests", "HOLDFAST_MAX_REQUESTS", "N", Some("512"), "Requests served at once; more get 503 SlowDown"),
    one("max-connections", "HOLDFAST_MAX_CONNECTIONS", "N", Some("8192"), "Connections open at once; more wait to be accepted"),
    one("idle-timeout", "HOLDFAST_IDLE_TIMEOUT", "SECONDS", Some("75"), "Close a connection that waits this long for its next request"),
    one("head-timeout", "HOLDFAST_HEAD_TIMEOUT", "SECONDS", Some("20"), "Longest time from the first to the last byte of a request's head"),
    one("stall-timeout", "HOLDFAST_STALL_TIMEOUT", "SECONDS", Some("60"), "Longest wait for 16 KiB of a body, sent or taken"),
    one("shutdown-grace", "HOLDFAST_SHUTDOWN_GRACE", "SECONDS", Some("30"), "How long requests may go on after SIGTERM"),
    one("log-format", "HOLDFAST_LOG_FORMAT", "FORMAT", Some("text"), "text or json"),
    one("log-keys", "HOLDFAST_LOG_KEYS", "MODE", Some("hash"), "Object keys in the log: hash or plain"),
    one("log-filter", "HOLDFAST_LOG_FILTER", "FILTER", Some("info"), "What is logged: error, warn, info, debug, or target=level pairs"),
];

/// Variables that hold secrets, and so are neither flags nor keys of the file (`credentials` reads them).
pub const SECRET_VARIABLES: &[&str] =
    &["HOLDFAST_ROOT_ACCESS_KEY", "HOLDFAST_ROOT_ACCESS_KEY_FILE", "HOLDFAST_ROOT_SECRET_KEY", "HOLDFAST_ROOT_SECRET_KEY_FILE"];

/// The row of `name`.
pub fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The known name that is closest to `unknown`, if any is close enough to be meant.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = (unknown.len() / 2).max(2);
    known.map(|name| (edit_distance(unknown, name), name)).filter(|(distance, _)| *distance <= near_enough).min().map(|(_, name)| name)
}

const fn one(
    name: &'static str,
    env: &'static str,
    value_name: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { name, env, arity: Arity::One, value_name, default, help }
}

/// Levenshtein's distance, over bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_nonsense_has_none() {
        let cases =
            [("lissten", Some("listen")), ("max_requests", Some("max-requests")), ("tls_crt", Some("tls-cert")), ("quux-frobnicate", None)];
        for (unknown, expected) in cases {
            assert_eq!(nearest(unknown, SETTINGS.iter().map(|s| s.name)), expected, "{unknown}");
        }
    }

    #[test]
    fn every_row_names_its_variable_after_its_flag() {
        for setting in SETTINGS {
            assert_eq!(setting.env, format!("HOLDFAST_{}", setting.name.replace('-', "_").to_uppercase()));
            assert!(!setting.help.is_empty() && !setting.value_name.is_empty());
        }
    }
}
