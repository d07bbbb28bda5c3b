//! The checks that keep the house in order, as functions from facts to violations.
//!
//! `packages` knows which way the arrows between crates point and which licences we take, `source` reads Rust files
//! without comments and strings, `files` holds the rules about single files. ARCHITECTURE.md says the same in prose.

mod files;
mod licence;
mod packages;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a run of `tidy` found.
#[derive(Debug)]
pub struct Report {
    /// Each names its place and the rule.
    pub violations: Vec<String>,
    /// How many Rust files were read.
    pub files: usize,
    /// How many packages were looked at, ours and others'.
    pub packages: usize,
}

/// The repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Checks the repository at `root` against every rule.
///
/// # Errors
/// A file that cannot be read, or a `cargo metadata` that fails.
pub fn tidy(root: &Path) -> Result<Report> {
    let (mut violations, packages) = packages::check(root)?;
    let paths = rust_files(root)?;
    let mut sources = Vec::with_capacity(paths.len());
    for path in &paths {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        sources.push(source::Source::new(path, &text));
    }
    violations.extend(files::check(&sources));
    violations.sort();
    Ok(Report { violations, files: sources.len(), packages })
}

/// Every Rust file of ours, as a path relative to `root`, sorted.
fn rust_files(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "xtask", "tests"].iter().map(|f| root.join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules") && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path.strip_prefix(root)?.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}
