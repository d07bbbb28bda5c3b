//! The rules about crates: which way the arrows point, who may use which library, and which licences we take.
//!
//! The facts come from `cargo metadata`; the licences that we take stand in `deny.toml`, so that there is one list.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::licence;

/// One line of ARCHITECTURE.md: a crate and the crates of ours that it may depend on. A crate that is missing here is a violation.
const ARROWS: &[(&str, &[&str])] = &[
    ("holdfast-model", &[]),
    ("holdfast-store", &["holdfast-model"]),
    ("holdfast-objects", &["holdfast-model", "holdfast-store"]),
    ("holdfast-embedded", &["holdfast-model", "holdfast-store"]),
    ("holdfast-rados", &["holdfast-model", "holdfast-store"]),
    ("holdfast-s3", &["holdfast-model", "holdfast-objects"]),
    ("holdfast-server", &["holdfast-model", "holdfast-store", "holdfast-objects", "holdfast-embedded", "holdfast-rados", "holdfast-s3"]),
    ("holdfast-verify", &[]),
    ("holdfast-bench", &[]),
    ("holdfast-cli", &["holdfast-server", "holdfast-verify", "holdfast-bench"]),
    ("holdfast-crash", &["holdfast-model", "holdfast-store", "holdfast-objects", "holdfast-embedded", "holdfast-verify"]),
    ("holdfast-fuzzing", &["holdfast-model", "holdfast-store", "holdfast-objects", "holdfast-embedded", "holdfast-s3", "holdfast-server"]),
    ("xtask", &[]),
];

/// A library, the crates of ours that may have it, and why nobody else may. Tests may use what they like.
const OWNERS: &[(&[&str], &[&str], &str)] = &[
    (
        &["http", "http-body", "http-body-util"],
        &["holdfast-s3", "holdfast-server", "holdfast-verify", "holdfast-bench", "holdfast-fuzzing"],
        "HTTP ends at the wire",
    ),
    (&["hyper", "hyper-util"], &["holdfast-server", "holdfast-verify", "holdfast-bench"], "connections belong to the server"),
    (&["quick-xml"], &["holdfast-s3", "holdfast-verify", "holdfast-bench"], "XML ends at the wire"),
    (&["rustls", "tokio-rustls"], &["holdfast-server", "holdfast-verify", "holdfast-bench"], "TLS ends at the listener"),
    (&["fjall", "lsm-tree"], &["holdfast-embedded"], "the waist keeps the record engine replaceable"),
    (&["clap"], &["holdfast-cli"], "flags belong to the binary"),
    (&["anyhow"], &["holdfast-cli", "holdfast-verify", "holdfast-bench", "xtask"], "libraries have typed errors"),
];

/// The libraries of `model`: pure rules need no I/O, no runtime, no clock and no encoding.
const MODEL_MAY_USE: &[&str] = &["thiserror"];

/// A dependency as a manifest names it.
struct Dependency {
    name: String,
    for_tests: bool,
}

/// A package with its direct dependencies.
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    ours: bool,
    dependencies: Vec<Dependency>,
}

/// Every violation in the packages that the workspace needs, and how many packages there are.
pub(crate) fn check(root: &Path) -> Result<(Vec<String>, usize)> {
    let packages = packages(root)?;
    let licences = licences_taken(root)?;
    let mut found: Vec<String> = packages.iter().filter(|p| p.ours).flat_map(arrows_and_owners).collect();
    found.extend(packages.iter().filter(|p| !p.ours).filter_map(|p| licence_not_taken(p, &licences)));
    Ok((found, packages.len()))
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let host = host()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")?;
    metadata["packages"].as_array().context("cargo metadata names no packages")?.iter().map(package).collect()
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}

fn package(value: &Value) -> Result<Package> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let dependencies = value["dependencies"].as_array().context("a package without dependencies")?;
    let dependency = |d: &Value| Dependency { name: d["name"].as_str().unwrap_or_default().to_owned(), for_tests: d["kind"] == "dev" };
    Ok(Package {
        name: text("name").context("a package without a name")?,
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        ours: value["source"].is_null(),
        dependencies: dependencies.iter().map(dependency).collect(),
    })
}

fn arrows_and_owners(package: &Package) -> Vec<String> {
    let name = &package.name;
    let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| of == name) else {
        return vec![format!("{name}: a crate that ARCHITECTURE.md and the arrows in xtask do not know")];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let on = dependency.name.as_str();
        let is_ours = ARROWS.iter().any(|(of, _)| *of == on);
        if is_ours && on != name && !allowed.contains(&on) {
            found.push(format!("{name}: must not depend on {on}; it may use {allowed:?}"));
        }
        if dependency.for_tests {
            continue;
        }
        if let Some((_, owners, why)) =
            OWNERS.iter().find(|(libraries, owners, _)| libraries.contains(&on) && !owners.contains(&name.as_str()))
        {
            found.push(format!("{name}: must not depend on {on}, only {owners:?}: {why}"));
        }
        if name == "holdfast-model" && !MODEL_MAY_USE.contains(&on) {
            found.push(format!("{name}: must not depend on {on}; the model is pure"));
        }
    }
    found
}

fn licences_taken(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("deny.toml")).context("reading deny.toml")?;
    let table: toml::Table = text.parse().context("reading deny.toml")?;
    let allow = table.get("licenses").and_then(|l| l.get("allow")).and_then(|a| a.as_array()).context("deny.toml has no licenses.allow")?;
    Ok(allow.iter().filter_map(|l| l.as_str().map(str::to_owned)).collect())
}

fn licence_not_taken(package: &Package, taken: &[String]) -> Option<String> {
    let expression = package.licence.as_deref().unwrap_or_default();
    let met = licence::is_met(expression, &|name| taken.iter().any(|t| t == name));
    (!met).then(|| format!("{} {}: its licence \"{expression}\" is not among those in deny.toml", package.name, package.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(name: &str, on: &str, for_tests: bool) -> usize {
        let dependencies = vec![Dependency { name: on.to_owned(), for_tests }];
        let package = Package { name: name.to_owned(), version: String::new(), licence: None, ours: true, dependencies };
        arrows_and_owners(&package).len()
    }

    #[test]
    fn arrows_point_only_down() {
        for (from, to, expected) in [
            ("holdfast-s3", "holdfast-objects", 0),
            ("holdfast-s3", "holdfast-store", 1),
            ("holdfast-s3", "holdfast-embedded", 1),
            ("holdfast-model", "holdfast-store", 2),
            ("holdfast-objects", "holdfast-s3", 1),
            ("holdfast-embedded", "holdfast-rados", 1),
            ("holdfast-rados", "holdfast-embedded", 1),
            ("holdfast-verify", "holdfast-model", 1),
            ("holdfast-cli", "holdfast-objects", 1),
            ("holdfast-unknown", "bytes", 1),
        ] {
            assert_eq!(violations(from, to, false), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn libraries_stay_with_their_owners_except_in_tests() {
        for (from, library) in [
            ("holdfast-objects", "http"),
            ("holdfast-store", "hyper"),
            ("holdfast-server", "quick-xml"),
            ("holdfast-objects", "fjall"),
            ("holdfast-model", "tokio"),
            ("holdfast-model", "serde"),
            ("holdfast-s3", "anyhow"),
        ] {
            assert_eq!(violations(from, library, false), 1, "{from} -> {library}");
            assert_eq!(violations(from, library, true), 0, "{from} -> {library} in tests");
        }
    }

    #[test]
    fn tests_follow_the_arrows_too() {
        assert_eq!(violations("holdfast-s3", "holdfast-embedded", true), 1);
    }

    #[test]
    fn a_package_without_a_taken_licence_is_named() {
        let package = |licence: Option<&str>| Package {
            name: "x".into(),
            version: "1".into(),
            licence: licence.map(str::to_owned),
            ours: false,
            dependencies: Vec::new(),
        };
        let taken = ["MIT".to_owned()];
        assert!(licence_not_taken(&package(Some("MIT OR GPL-3.0")), &taken).is_none());
        assert!(licence_not_taken(&package(Some("GPL-3.0")), &taken).is_some());
        assert!(licence_not_taken(&package(None), &taken).is_some());
    }
}
