//! What the operator asked for: flags before environment before file before defaults.
//!
//! A key that nobody knows is an error in every source, since a misspelt limit that is ignored is a limit that
//! does not hold.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::{Arity, SECRET_VARIABLES, SETTINGS, Setting, nearest, setting};

/// Values by setting name, as one source gives them.
pub type Values = BTreeMap<&'static str, Vec<String>>;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// A `HOLDFAST_*` variable.
    Environment,
    /// The TOML file.
    File,
    /// The table of settings.
    Default,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Flag => "the command line",
            Source::Environment => "the environment",
            Source::File => "the configuration file",
            Source::Default => "the defaults",
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How object keys appear in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKeys {
    /// The first 64 bits of their SHA-256, in hex.
    Hash,
    /// As they are.
    Plain,
}

/// The two files of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM certificate chain, the leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// Everything that `holdfast serve` can be told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that holds everything.
    pub data: PathBuf,
    /// Address of the S3 endpoint.
    pub listen: SocketAddr,
    /// Address of metrics and health.
    pub admin_listen: Option<SocketAddr>,
    /// Domains of virtual-hosted addressing, in lower case.
    pub domains: Vec<String>,
    /// TLS of the S3 endpoint.
    pub tls: Option<TlsFiles>,
    /// The operator accepts an exposed endpoint.
    pub insecure: bool,
    /// Region that clients sign for.
    pub region: String,
    /// Requests served at once.
    pub max_requests: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Longest wait for the next request of a connection.
    pub idle_timeout: Duration,
    /// Longest time from the first to the last byte of a head.
    pub head_timeout: Duration,
    /// Longest wait for [`holdfast_model::limits::STALL_BYTES_MIN`] bytes of a body.
    pub stall_timeout: Duration,
    /// How long requests may go on after the signal to stop.
    pub shutdown_grace: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How object keys appear in the log.
    pub log_keys: LogKeys,
    /// A `tracing_subscriber` filter.
    pub log_filter: String,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that is not in the table.
    #[error("{source_name} has an unknown setting `{key}`{}", hint(nearest.as_deref()))]
    Unknown {
        /// Where it stands.
        source_name: Source,
        /// As written.
        key: String,
        /// The known key that was probably meant.
        nearest: Option<String>,
    },
    /// A setting without a default has no value.
    #[error("`{0}` is not set; give --{0}, {env}, or `{0}` in the file", env = setting(.0).map_or("", |s| s.env))]
    Missing(&'static str),
    /// A value that cannot be read.
    #[error("`{setting}` from {source_name} is `{value}`, but must be {expected}")]
    Invalid {
        /// Which setting.
        setting: &'static str,
        /// Where its value stands.
        source_name: Source,
        /// As written.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {reason}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system or the parser said.
        reason: String,
    },
    /// One half of a pair.
    #[error("`tls-cert` and `tls-key` belong together; give both or neither")]
    HalfOfTls,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "; see `holdfast serve --help` for all of them".to_owned(), |name| format!("; did you mean `{name}`?"))
}

impl Config {
    /// Reads the file that `config` names, if any, and merges the sources.
    ///
    /// # Errors
    /// A key that is unknown in any source, a value that does not fit, a file that cannot be read.
    pub fn resolve(flags: Values, environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigError> {
        let environment = environment_values(environment)?;
        let file = match flags.get("config").or_else(|| environment.get("config")).and_then(|values| values.last()) {
            Some(path) => file_values(Path::new(path))?,
            None => Values::new(),
        };
        Merged { sources: [(Source::Flag, flags), (Source::Environment, environment), (Source::File, file)] }.config()
    }
}

/// The settings among the variables of a process.
///
/// An empty value counts as not set. Kubernetes gives every pod `HOLDFAST_PORT*` and `HOLDFAST_SERVICE_*` for a
/// service of the name `holdfast`: those are no settings, and no mistake.
fn environment_values(environment: impl IntoIterator<Item = (String, String)>) -> Result<Values, ConfigError> {
    let mut values = Values::new();
    for (name, value) in environment {
        let Some(suffix) = name.strip_prefix("HOLDFAST_") else { continue };
        let service_link = suffix == "PORT" || suffix.starts_with("PORT_") || suffix.starts_with("SERVICE_");
        let is_for_tests = cfg!(feature = "failpoints") && suffix.starts_with("FAILPOINT");
        if service_link || is_for_tests || SECRET_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let Some(setting) = SETTINGS.iter().find(|setting| setting.env == name) else {
            let known = SETTINGS.iter().map(|setting| setting.env).chain(SECRET_VARIABLES.iter().copied());
            let nearest = nearest(&name, known).map(str::to_owned);
            return Err(ConfigError::Unknown { source_name: Source::Environment, key: name, nearest });
        };
        if !value.is_empty() {
            let split = |value: String| value.split(',').map(|one| one.trim().to_owned()).collect();
            values.insert(setting.name, if setting.arity == Arity::Many { split(value) } else { vec![value] });
        }
    }
    Ok(values)
}

fn file_values(path: &Path) -> Result<Values, ConfigError> {
    let unreadable = |reason: String| ConfigError::File { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
    let mut values = Values::new();
    for (key, value) in table {
        // `config` in the file would name another file that nobody reads.
        let Some(setting) = setting(&key).filter(|setting| setting.name != "config") else {
            let nearest = nearest(&key, SETTINGS.iter().map(|setting| setting.name)).map(str::to_owned);
            return Err(ConfigError::Unknown { source_name: Source::File, key, nearest });
        };
        values.insert(setting.name, toml_values(setting, value)?);
    }
    Ok(values)
}

fn toml_values(setting: &'static Setting, value: toml::Value) -> Result<Vec<String>, ConfigError> {
    let written = value.to_string();
    let invalid = |expected| ConfigError::Invalid { setting: setting.name, source_name: Source::File, value: written.clone(), expected };
    let scalar = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        _ => Err(invalid("a string, a whole number or a boolean")),
    };
    match value {
        toml::Value::Array(values) if setting.arity == Arity::Many => values.into_iter().map(scalar).collect(),
        toml::Value::Array(_) => Err(invalid("one value, not an array")),
        value => Ok(vec![scalar(value)?]),
    }
}

struct Merged {
    sources: [(Source, Values); 3],
}

impl Merged {
    fn config(&self) -> Result<Config, ConfigError> {
        let tls = match (self.optional("tls-cert"), self.optional("tls-key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (None, None) => None,
            _ => return Err(ConfigError::HalfOfTls),
        };
        Ok(Config {
            data: self.optional("data").ok_or(ConfigError::Missing("data"))?.into(),
            listen: self.address("listen")?.ok_or(ConfigError::Missing("listen"))?,
            admin_listen: self.address("admin-listen")?,
            domains: self.domains()?,
            tls,
            insecure: self.read("insecure", "true or false", switch)?,
            region: self.read("region", "1 to 64 letters, digits or dashes", region)?,
            max_requests: self.count("max-requests")?,
            max_connections: self.count("max-connections")?,
            idle_timeout: self.seconds("idle-timeout")?,
            head_timeout: self.seconds("head-timeout")?,
            stall_timeout: self.seconds("stall-timeout")?,
            shutdown_grace: self.seconds("shutdown-grace")?,
            log_format: self.read("log-format", "`text` or `json`", |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
            log_keys: self.read("log-keys", "`hash` or `plain`", |text| match text {
                "hash" => Some(LogKeys::Hash),
                "plain" => Some(LogKeys::Plain),
                _ => None,
            })?,
            log_filter: self.read("log-filter", "a level, or target=level pairs", |text| Some(text.to_owned()))?,
        })
    }

    /// The values of the first source that has any, and which one it is.
    fn values(&self, name: &'static str) -> (Source, Vec<String>) {
        let given = self.sources.iter().find_map(|(source, values)| Some((*source, values.get(name)?.clone())));
        given.unwrap_or_else(|| (Source::Default, setting(name).and_then(|s| s.default).map(str::to_owned).into_iter().collect()))
    }

    fn optional(&self, name: &'static str) -> Option<String> {
        self.values(name).1.pop().filter(|value| !value.is_empty())
    }

    fn read<T>(&self, name: &'static str, expected: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let (source_name, mut values) = self.values(name);
        let value = values.pop().ok_or(ConfigError::Missing(name))?;
        parse(&value).ok_or(ConfigError::Invalid { setting: name, source_name, value, expected })
    }

    fn address(&self, name: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
        if self.optional(name).is_none() {
            return Ok(None);
        }
        self.read(name, "IP:PORT, like 127.0.0.1:9000 or [::]:9000", address).map(Some)
    }

    fn count(&self, name: &'static str) -> Result<usize, ConfigError> {
        self.read(name, "a whole number from 1 to 1000000", |text| text.parse().ok().filter(|count| (1..=1_000_000).contains(count)))
    }

    fn seconds(&self, name: &'static str) -> Result<Duration, ConfigError> {
        self.read(name, "whole seconds from 1 to 86400", |text| {
            text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).map(Duration::from_secs)
        })
    }

    fn domains(&self) -> Result<Vec<String>, ConfigError> {
        let (source_name, values) = self.values("domain");
        let parse = |value: String| {
            let domain = value.trim_end_matches('.').to_ascii_lowercase();
            let valid = !domain.is_empty()
                && !domain.starts_with('.')
                && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
            if valid { Ok(domain) } else { Err(value) }
        };
        values.into_iter().map(parse).collect::<Result<_, _>>().map_err(|value| ConfigError::Invalid {
            setting: "domain",
            source_name,
            value,
            expected: "a domain name without port or leading dot, like s3.example.com",
        })
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
    }
    text.parse().ok()
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn region(text: &str) -> Option<String> {
    let valid = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    valid.then(|| text.to_owned())
}
