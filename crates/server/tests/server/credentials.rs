//! Root credentials: given, read from files, or made once and kept to their owner.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use holdfast_server::{CREDENTIALS_FILE, Exposed, Origin, RootCredentials, Secret, refuse_exposure};

use crate::support::{config, write_file};

fn obtain(data: &Path, variables: &[(&str, &str)]) -> Result<RootCredentials, String> {
    let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    RootCredentials::obtain(data, variable).map_err(|error| error.to_string())
}

#[test]
fn credentials_are_generated_once_and_kept_for_their_owner_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("new").join("data");
    let first = obtain(&data, &[]).expect("generated");
    let path = data.join(CREDENTIALS_FILE);
    assert_eq!(first.origin, Origin::GeneratedNow(path.clone()));
    assert_eq!((first.access_key.len(), first.secret_key.expose().len()), (20, 40));
    assert_eq!(std::fs::metadata(&path).expect("kept").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&data).expect("a folder").count(), 1, "nothing but the kept file stays");

    let second = obtain(&data, &[]).expect("kept");
    assert_eq!(second, RootCredentials { origin: Origin::Kept(path), ..first.clone() });
    let other = obtain(&folder.path().join("other"), &[]).expect("generated");
    assert_ne!(other.secret_key, first.secret_key);
}

#[test]
fn the_environment_goes_before_the_kept_file_and_may_name_files() {
    let folder = tempfile::tempdir().expect("a folder");
    obtain(folder.path(), &[]).expect("generated");
    let secret = folder.path().join("secret");
    write_file(&secret, "correct-horse\n");
    let secret = secret.to_str().expect("utf-8");
    let given = obtain(folder.path(), &[("HOLDFAST_ROOT_ACCESS_KEY", "root"), ("HOLDFAST_ROOT_SECRET_KEY_FILE", secret)]).expect("given");
    assert_eq!((given.access_key.as_str(), given.secret_key.expose(), given.origin), ("root", "correct-horse", Origin::Environment));
}

#[test]
fn credentials_that_cannot_be_used_are_refused_and_nothing_is_generated() {
    let (access, secret) = ("HOLDFAST_ROOT_ACCESS_KEY", "HOLDFAST_ROOT_SECRET_KEY");
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[(access, "root")], "HOLDFAST_ROOT_SECRET_KEY is not"),
        (&[(secret, "long-enough")], "HOLDFAST_ROOT_ACCESS_KEY is not"),
        (&[(access, "root"), (secret, "short")], "8 to 128"),
        (&[(access, "a/b/c"), (secret, "long-enough")], "letters, digits"),
        (&[(access, "root"), (secret, "long enough")], "visible ASCII"),
        (&[(access, "root"), (secret, "long-enough"), ("HOLDFAST_ROOT_SECRET_KEY_FILE", "/f")], "both set"),
        (&[(access, "root"), ("HOLDFAST_ROOT_SECRET_KEY_FILE", "/nonexistent")], "/nonexistent"),
    ];
    for (variables, expected) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let message = obtain(folder.path(), variables).expect_err("refused");
        assert!(message.contains(expected) && !message.contains("long"), "{message}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn a_damaged_file_is_refused_not_replaced() {
    for text in ["", "access_key = 'root'", "not toml at all", "access_key = 1\nsecret_key = 2"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(CREDENTIALS_FILE);
        write_file(&path, text);
        obtain(folder.path(), &[]).expect_err("refused");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), text);
    }
}

#[test]
fn debug_never_shows_the_secret() {
    let credentials =
        RootCredentials { access_key: "root".to_owned(), secret_key: Secret::new("correct-horse".to_owned()), origin: Origin::Environment };
    let shown = format!("{credentials:?} {:#?}", credentials.secret_key);
    assert!(shown.contains("root") && !shown.contains("horse"), "{shown}");
}

#[test]
fn an_endpoint_is_exposed_only_with_own_credentials_and_tls() {
    type Given = [(&'static str, &'static str)];
    let pair = |access_key: &str, secret_key: &str, origin| RootCredentials {
        access_key: access_key.to_owned(),
        secret_key: Secret::new(secret_key.to_owned()),
        origin,
    };
    let own = pair("root", "correct-horse", Origin::Environment);
    let fresh = pair("root", "correct-horse", Origin::GeneratedNow("f".into()));
    let kept = pair("root", "correct-horse", Origin::Kept("f".into()));
    let famous = pair("minioadmin", "minioadmin", Origin::Environment);
    let everywhere = "0.0.0.0:9000".parse().expect("an address");
    let tls: &Given = &[("tls-cert", "c"), ("tls-key", "k")];
    let none: &Given = &[];
    let insecure: &Given = &[("insecure", "true")];
    let cases = [
        ("127.0.0.1:9000", none, &fresh, Ok(())),
        ("127.9.9.9:9000", none, &famous, Ok(())),
        ("[::1]:9000", none, &own, Ok(())),
        ("[::ffff:127.0.0.1]:9000", none, &own, Ok(())),
        ("0.0.0.0:9000", tls, &own, Ok(())),
        ("0.0.0.0:9000", tls, &kept, Ok(())),
        ("0.0.0.0:9000", tls, &fresh, Err(Exposed::UnseenCredentials(everywhere))),
        ("0.0.0.0:9000", tls, &famous, Err(Exposed::WellKnownCredentials(everywhere))),
        ("0.0.0.0:9000", none, &own, Err(Exposed::NoTls(everywhere))),
        ("0.0.0.0:9000", insecure, &fresh, Ok(())),
    ];
    for (listen, given, credentials, expected) in cases {
        let config = config(&[given, &[("listen", listen)]].concat());
        assert_eq!(refuse_exposure(&config, credentials), expected, "{listen} {given:?} {credentials:?}");
    }
}
