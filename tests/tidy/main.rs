//! Rules of the house that the compiler does not see.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Greatest length of a source file, tests included.
const MAX_LINES: usize = 400;
/// Greatest length of a `main.rs`, which only wires.
const MAX_MAIN_LINES: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files that git knows or would take in, with one of these endings.
fn sources(endings: &[&str]) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of the checkout");
    assert!(listed.status.success(), "git ls-files failed");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let wanted = |path: &&str| endings.iter().any(|ending| path.ends_with(ending));
    let files: Vec<_> =
        listed.lines().filter(wanted).map(|path| root().join(path)).filter(|path| path.exists()).collect();
    assert!(!files.is_empty(), "no file ends in {endings:?}");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<_> = sources(&[".rs", ".py"])
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, path)| {
            *lines > if path.ends_with("src/main.rs") { MAX_MAIN_LINES } else { MAX_LINES }
        })
        .collect();

    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<_> = sources(&[".rs"])
        .into_iter()
        .filter(|path| {
            let first = read(path).lines().next().unwrap_or_default().to_owned();
            !first.starts_with("//!") && !first.starts_with("#![doc = include_str!")
        })
        .collect();

    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    // Spelled in two parts, so that this file does not name what it looks for.
    let silencer = ["#[", "allow("].concat();
    let found: Vec<_> = sources(&[".rs"]).into_iter().filter(|path| read(path).contains(&silencer)).collect();

    assert!(found.is_empty(), "use #[expect(…, reason = \"…\")]: {found:#?}");
}

/// The names of the packages in the lock file, with their versions.
fn locked() -> Vec<(String, String)> {
    let lock = read(&root().join("Cargo.lock"));
    let value = |line: &str, key: &str| line.strip_prefix(key).map(|rest| rest.trim_matches('"').to_owned());
    let mut packages = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name = ") {
            name = found;
        } else if let Some(version) = value(line, "version = ") {
            packages.push((name.clone(), version));
        }
    }
    assert!(packages.len() > 100, "the lock file was not understood");
    packages
}

#[test]
fn there_is_one_tls_stack_and_it_is_ring() {
    let packages = locked();
    let versions = |wanted: &str| -> Vec<_> {
        packages.iter().filter(|(name, _)| name == wanted).map(|(_, version)| version.as_str()).collect()
    };

    // AWS-LC would bring its jitter entropy: 200 ms of a cold start at 256 MB.
    for banned in ["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "hyper-tls", "boring"] {
        assert_eq!(versions(banned), [""; 0], "{banned} is in the lock file");
    }
    for (single, generation) in [("rustls", "0.23."), ("hyper", "1."), ("h2", "0.4."), ("ring", "0.17.")] {
        let found = versions(single);
        assert!(found.len() == 1 && found[0].starts_with(generation), "{single}: {found:?}");
    }
}

#[test]
fn there_is_one_generation_of_cryptography() {
    let packages = locked();
    for name in
        ["sha2", "digest", "hmac", "hkdf", "aes-gcm", "aes", "crypto-common", "rand", "rand_core", "zeroize"]
    {
        let versions: BTreeSet<_> =
            packages.iter().filter(|(found, _)| found == name).map(|(_, version)| version).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn the_domain_depends_on_no_cloud_no_http_client_and_no_runtime() {
    let manifest = read(&root().join("shared/domain/Cargo.toml"));
    let dependencies = manifest.split("[dependencies]").nth(1).expect("the domain has dependencies");

    for banned in ["aws", "lambda", "reqwest", "hyper", "http", "axum", "edge", "providers"] {
        let found = dependencies.lines().find(|line| line.starts_with(banned));
        assert_eq!(found, None, "the domain must not know {banned}");
    }
}

#[test]
fn only_the_aws_crate_names_the_sdk_in_shared_code() {
    let found: Vec<_> = sources(&["Cargo.toml"])
        .into_iter()
        .filter(|path| {
            let shared =
                path.starts_with(root().join("shared")) && !path.starts_with(root().join("shared/aws"));
            let function = path.starts_with(root().join("functions"));
            (shared || function) && read(path).lines().any(|line| line.starts_with("aws-"))
        })
        .collect();

    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_release_profile_keeps_binaries_small_and_panics_reportable() {
    let manifest = read(&root().join("Cargo.toml"));
    let profile = manifest.split("[profile.release]").nth(1).expect("there is a release profile");

    for setting in [
        "lto = \"thin\"",
        "opt-level = \"s\"",
        "codegen-units = 1",
        "strip = \"symbols\"",
        "panic = \"unwind\"",
    ] {
        assert!(profile.contains(setting), "{setting} is missing");
    }
}
