//! The binary as an operator meets it: what it prints, and its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn holdfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = holdfast(arguments).output().expect("run");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// Starts a server on `data` and reads what it prints until it serves.
fn start(data: &Path) -> (Child, String) {
    let data = data.to_str().expect("utf-8");
    let mut command = holdfast(&["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let printed = printed_until_serving(&mut child);
    (child, printed)
}

fn printed_until_serving(child: &mut Child) -> String {
    let mut printed = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    while !printed.contains("put-object") {
        assert!(lines.read_line(&mut printed).expect("readable") > 0, "ended after {printed}");
    }
    printed
}

fn stop(mut child: Child, signal: Signal) -> Option<i32> {
    let pid = Pid::from_child(&child);
    kill_process(pid, signal).expect("signalled");
    child.wait().expect("ended").code()
}

#[test]
fn what_cannot_run_as_asked_ends_with_2_and_says_why() {
    let cases: [(&[&str], &str); 6] = [
        (&["serve"], "`data` is not set"),
        (&["serve", "--data", "d", "--listen", "nowhere"], "must be IP:PORT"),
        (&["serve", "--data", "d", "--lissten", "127.0.0.1:0"], "--listen"),
        (&["serve", "--data", "d", "--config", "/nonexistent"], "/nonexistent"),
        (&["check", "--data", "/nonexistent"], "not a data folder"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (arguments, expected) in cases {
        let (code, text) = run(arguments);
        assert!(code == Some(2) && text.contains(expected), "{arguments:?}: {code:?} {text}");
    }
}

#[test]
fn help_and_version_succeed_and_name_every_setting() {
    assert_eq!(run(&["--version"]), (Some(0), format!("holdfast {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, help) = run(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    for setting in holdfast_server::SETTINGS {
        assert!(help.contains(&format!("--{}", setting.name)) && help.contains(setting.env), "{} is missing in\n{help}", setting.name);
    }
}

#[test]
fn the_first_start_shows_the_secret_the_second_does_not_and_signals_end_both_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let (child, first) = start(folder.path());
    assert_eq!(stop(child, Signal::TERM), Some(0));
    let secret = first.lines().find_map(|line| line.trim().strip_prefix("export AWS_SECRET_ACCESS_KEY=")).expect("printed");
    for expected in
        ["export AWS_ACCESS_KEY_ID=HF", "export AWS_ENDPOINT_URL=http://127.0.0.1:", "export AWS_REGION=us-east-1", "data folder"]
    {
        assert!(first.contains(expected), "{expected} is missing in\n{first}");
    }
    let (child, second) = start(folder.path());
    assert_eq!(stop(child, Signal::INT), Some(0));
    assert!(!second.contains(secret) && !second.contains("export"), "{second}");
}

#[test]
fn an_exposed_endpoint_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let (code, first) = run(&["serve", "--data", data, "--listen", "0.0.0.0:0"]);
    assert!(code == Some(1) && first.contains("generated just now") && first.contains("--insecure"), "{code:?} {first}");
    let (code, second) = run(&["serve", "--data", data, "--listen", "0.0.0.0:0"]);
    assert!(code == Some(1) && second.contains("without TLS"), "{code:?} {second}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let folder = tempfile::tempdir().expect("a folder");
    let address = taken.local_addr().expect("an address").to_string();
    let mut child = holdfast(&["serve", "--data", folder.path().to_str().expect("utf-8"), "--listen", &address])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut text = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut text).expect("readable");
    assert_eq!(child.wait().expect("ended").code(), Some(1));
    assert!(text.contains(&address) && text.contains("another server"), "{text}");
}

#[test]
fn a_folder_in_use_is_refused_and_a_fresh_one_checks_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let (child, _) = start(folder.path());
    for command in [["serve", "--data", data, "--listen", "127.0.0.1:0"].as_slice(), &["check", "--data", data]] {
        let (code, text) = run(command);
        let expected = if command[0] == "serve" { 1 } else { 2 };
        assert!(code == Some(expected) && text.contains("another holdfast process"), "{command:?}: {code:?} {text}");
    }
    assert_eq!(stop(child, Signal::TERM), Some(0));
    let (code, text) = run(&["check", "--data", data]);
    assert!(code == Some(0) && text.contains("0 wrong"), "{code:?} {text}");
}

#[test]
fn a_server_that_serves_is_ready_and_counts_its_commits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = holdfast(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut child = command.env("HOLDFAST_DATA", folder.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    let printed = printed_until_serving(&mut child);
    let admin = printed.lines().find_map(|line| line.trim().strip_prefix("admin")?.trim().strip_prefix("http://")).expect("printed");
    let (admin, _) = admin.split_once('/').expect("a path");
    let ready = get(admin, "/health/ready");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ok\n"), "{ready}");
    let metrics = get(admin, "/metrics");
    assert!(metrics.contains("holdfast_commit_batch_size_bucket{le=\"1\"} 1\n"), "the probe is a commit\n{metrics}");
    assert!(metrics.contains("holdfast_sync_seconds_bucket{le=\"0.00025\"}"), "{metrics}");
    let samples = metrics.split_once("\r\n\r\n").expect("a body").1.lines().filter(|line| !line.starts_with('#'));
    for sample in samples {
        assert!(sample.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{sample}");
    }
    assert_eq!(stop(child, Signal::TERM), Some(0));
}

fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}
