//! Configuration: flags beat environment beats file beats defaults, and what is unknown is an error.

use std::time::Duration;

use holdfast_server::{Arity, Config, LogFormat, SECRET_VARIABLES, SETTINGS, Setting, TlsFiles, Values};

use crate::support::{flags, write_file};

fn environment(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The message of the error that `flags`, `variables` and the file `text` give.
fn refused(given: &[(&'static str, &str)], variables: &[(&str, &str)], text: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("holdfast.toml");
    write_file(&path, text);
    let mut values = flags(&[("data", "d"), ("config", path.to_str().expect("utf-8"))]);
    values.extend(flags(given));
    Config::resolve(values, environment(variables)).expect_err("refused").to_string()
}

/// A value that `setting` accepts and that is not its default.
fn sample(setting: &Setting) -> &'static str {
    match setting.name {
        "listen" | "admin-listen" => "127.0.0.2:1234",
        "domain" => "s3.example.com",
        "insecure" => "true",
        "region" => "eu-west-3",
        "log-format" => "json",
        "log-keys" => "plain",
        "log-filter" => "debug",
        "data" | "tls-cert" | "tls-key" => "/some/path",
        _ => "17",
    }
}

/// The value of `setting` in `config`, as text.
fn shown(config: &Config, setting: &Setting) -> String {
    let path = |files: &Option<TlsFiles>, of: fn(&TlsFiles) -> &std::path::PathBuf| {
        files.as_ref().map_or(String::new(), |files| of(files).display().to_string())
    };
    let lower = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    match setting.name {
        "data" => config.data.display().to_string(),
        "listen" => config.listen.to_string(),
        "admin-listen" => config.admin_listen.map_or(String::new(), |address| address.to_string()),
        "domain" => config.domains.join(","),
        "tls-cert" => path(&config.tls, |files| &files.cert),
        "tls-key" => path(&config.tls, |files| &files.key),
        "insecure" => config.insecure.to_string(),
        "region" => config.region.clone(),
        "max-requests" => config.max_requests.to_string(),
        "max-connections" => config.max_connections.to_string(),
        "idle-timeout" => config.idle_timeout.as_secs().to_string(),
        "head-timeout" => config.head_timeout.as_secs().to_string(),
        "stall-timeout" => config.stall_timeout.as_secs().to_string(),
        "shutdown-grace" => config.shutdown_grace.as_secs().to_string(),
        "log-format" => lower(&config.log_format),
        "log-keys" => lower(&config.log_keys),
        "log-filter" => config.log_filter.clone(),
        name => panic!("the test does not know `{name}`"),
    }
}

#[test]
fn every_setting_has_an_effect_from_every_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("holdfast.toml");
    for setting in SETTINGS.iter().filter(|setting| setting.name != "config") {
        let mut base = flags(&[("data", "d"), ("tls-cert", "c"), ("tls-key", "k")]);
        base.remove(setting.name);
        let by_flag = base.clone().into_iter().chain(flags(&[(setting.name, sample(setting))])).collect();
        let by_flag = Config::resolve(by_flag, []).expect(setting.name);
        let by_environment = Config::resolve(base.clone(), environment(&[(setting.env, sample(setting))])).expect(setting.name);
        write_file(&path, &format!("{} = {:?}", setting.name, sample(setting)));
        let file_named = base.into_iter().chain(flags(&[("config", path.to_str().expect("utf-8"))])).collect();
        let by_file = Config::resolve(file_named, []).expect(setting.name);
        for config in [by_flag, by_environment, by_file] {
            assert_eq!(shown(&config, setting), sample(setting), "{}", setting.name);
        }
    }
}

#[test]
fn flags_go_before_environment_before_file_before_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("holdfast.toml");
    write_file(&path, "data = 'file'\nregion = 'file'\nmax-requests = 3\ninsecure = true\ndomain = ['a.example', 'B.Example.']\n");
    let variables = environment(&[
        ("HOLDFAST_CONFIG", path.to_str().expect("utf-8")),
        ("HOLDFAST_DATA", "environment"),
        ("HOLDFAST_REGION", "environment"),
        ("HOLDFAST_LOG_FORMAT", ""),
        ("PATH", "unrelated"),
    ]);
    let config = Config::resolve(flags(&[("data", "flag")]), variables).expect("valid");
    assert_eq!(config.data.to_str(), Some("flag"));
    assert_eq!(config.region, "environment");
    assert_eq!((config.max_requests, config.insecure), (3, true));
    assert_eq!(config.domains, ["a.example", "b.example"]);
    assert_eq!((config.log_format, config.shutdown_grace), (LogFormat::Text, Duration::from_secs(30)));
    assert_eq!(config.listen.to_string(), "127.0.0.1:9000");
}

#[test]
fn unknown_keys_are_refused_and_the_nearest_one_is_named() {
    let cases = [
        (refused(&[], &[], "lissten = '1'"), "`lissten`; did you mean `listen`"),
        (refused(&[], &[], "max_requests = 1"), "did you mean `max-requests`"),
        (refused(&[], &[], "config = 'other'"), "unknown setting `config`"),
        (refused(&[], &[("HOLDFAST_REGOIN", "x")], ""), "`HOLDFAST_REGOIN`; did you mean `HOLDFAST_REGION`"),
        (refused(&[], &[("HOLDFAST_ROOT_SECRT_KEY", "x")], ""), "did you mean `HOLDFAST_ROOT_SECRET_KEY`"),
        (refused(&[], &[("HOLDFAST_PORTS", "x")], ""), "unknown setting `HOLDFAST_PORTS`"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn variables_of_secrets_and_of_kubernetes_are_no_mistakes() {
    let links = ["HOLDFAST_PORT", "HOLDFAST_PORT_9000_TCP_ADDR", "HOLDFAST_SERVICE_HOST", "HOLDFAST_SERVICE_PORT_S3"];
    let variables = SECRET_VARIABLES.iter().chain(&links).map(|name| ((*name).to_owned(), "x".to_owned()));
    Config::resolve(flags(&[("data", "d")]), variables).expect("valid");
}

#[test]
fn values_that_do_not_fit_are_refused_with_what_would() {
    let cases = [
        (refused(&[("listen", "9000")], &[], ""), "`listen` from the command line is `9000`, but must be IP:PORT"),
        (refused(&[], &[("HOLDFAST_MAX_REQUESTS", "0")], ""), "from the environment is `0`, but must be a whole number from 1"),
        (refused(&[], &[], "shutdown-grace = -1"), "from the configuration file is `-1`"),
        (refused(&[], &[], "insecure = 'yes'"), "true or false"),
        (refused(&[], &[], "region = ['a']"), "not an array"),
        (refused(&[], &[], "domain = [{ a = 1 }]"), "a string"),
        (refused(&[("domain", "s3.example.com:9000")], &[], ""), "without port"),
        (refused(&[("log-format", "xml")], &[], ""), "`text` or `json`"),
        (refused(&[("tls-cert", "c")], &[], ""), "belong together"),
        (refused(&[], &[], "data = "), "holdfast.toml cannot be read"),
        (Config::resolve(Values::new(), []).expect_err("refused").to_string(), "`data` is not set; give --data, HOLDFAST_DATA"),
        (Config::resolve(flags(&[("data", "d"), ("config", "/nonexistent")]), []).expect_err("refused").to_string(), "/nonexistent"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn every_default_is_valid() {
    let config = Config::resolve(flags(&[("data", "d")]), []).expect("valid");
    for setting in SETTINGS.iter().filter(|setting| setting.arity != Arity::Many) {
        if let Some(default) = setting.default {
            assert_eq!(shown(&config, setting), default, "{}", setting.name);
        }
    }
}
