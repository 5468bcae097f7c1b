//! The program: its one line of output, its arguments and its end.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use simulator::Options;

/// What a client needs to know of a simulator that was started without arguments.
const DEFAULTS: &[&str] = &[
    Options::INTUIT_CLIENT_ID,
    Options::INTUIT_CLIENT_SECRET,
    Options::INTUIT_VERIFIER_TOKEN,
    Options::INTUIT_REALM_ID,
    Options::XERO_CLIENT_ID,
    Options::XERO_CLIENT_SECRET,
    Options::XERO_WEBHOOK_KEY,
    Options::XERO_TENANT_ID,
    Options::XERO_SECOND_TENANT_ID,
    Options::ZOHO_CLIENT_ID,
    Options::ZOHO_CLIENT_SECRET,
    Options::ZOHO_US_ORGANIZATION_ID,
    Options::ZOHO_SECOND_US_ORGANIZATION_ID,
    Options::ZOHO_EU_ORGANIZATION_ID,
];

fn program(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn it_prints_its_address_when_ready_and_ends_cleanly_on_sigterm() {
    let mut child = program(&["--port", "0", "--seed", "1"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();

    let address = lines.next().unwrap().unwrap();
    let ready = std::net::TcpStream::connect(address.strip_prefix("http://").unwrap());
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();

    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(ready.is_ok());
    assert!(told.success());
    assert!(child.wait().unwrap().success());
    assert!(lines.next().is_none());
}

#[test]
fn help_names_every_default_that_a_client_needs() {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator")).arg("--help").output().unwrap();

    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for default in DEFAULTS {
        assert!(help.contains(default), "{default}");
    }
}

#[test]
fn a_taken_port_ends_it_with_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    assert!(!program(&["--port", &port]).wait().unwrap().success());
}

#[test]
fn the_documentation_tells_the_default_credentials() {
    let readme = include_str!("../../README.md");

    for default in DEFAULTS {
        assert!(readme.contains(&format!("`{default}`")), "{default}");
    }
}
