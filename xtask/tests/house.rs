//! The house is in order: the same as `cargo xtask tidy`, among the tests.

#[test]
fn layers_sizes_bans_and_licences_hold() {
    let report = xtask::tidy(&xtask::root()).expect("the repository can be read");
    assert!(report.files > 100, "only {} files were read", report.files);
    assert!(report.violations.is_empty(), "\n{}", report.violations.join("\n"));
}
