//! `holdfast verify` from outside: exit codes, files, and that nothing is left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use holdfast_verify::client::{Client, Credentials, Target, s3};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const KEY: &str = "verify";
const SECRET: &str = "verify-secret-key";

/// A server on a folder of its own; it ends with the test.
struct Server {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = holdfast(&["serve", "--data", text(folder.path()), "--listen", "127.0.0.1:0"])
            .args(more)
            .env("HOLDFAST_ROOT_ACCESS_KEY", KEY)
            .env("HOLDFAST_ROOT_SECRET_KEY", SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let endpoint = lines.find_map(|line| Some(line.expect("readable").trim().strip_prefix("endpoint")?.trim().to_owned()));
        let address = endpoint.and_then(|url| Some(url.split_once("://")?.1.to_owned())).expect("an endpoint");
        // Reads on, so that the server can print.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, folder }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn client(&self) -> Client {
        let credentials = Credentials { access_key: KEY.to_owned(), secret_key: SECRET.to_owned(), session_token: None };
        let target = Target::with_credentials(&[self.url()], false, credentials, "us-east-1".to_owned(), None).expect("a target");
        Client::new(Arc::new(target), 0)
    }

    /// Stops it; what `holdfast check` then says about the folder.
    fn checked(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("signalled");
        self.child.wait().expect("ended");
        let Output { stdout, .. } = holdfast(&["check", "--data", text(self.folder.path())]).output().expect("run");
        String::from_utf8_lossy(&stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

fn holdfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn verify(url: &str, arguments: &[&str]) -> Command {
    let mut command = holdfast(&["verify", "--endpoint", url]);
    command.args(arguments).env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

fn ended(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("run");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("written")).expect("JSON")
}

#[test]
fn our_own_server_keeps_the_whole_contract_and_nothing_is_left_behind() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let (report, page, history) = (file("report.json"), file("report.html"), file("history.json"));
    let files = ["--json", text(&report), "--html", text(&page), "--history", text(&history)];
    let races = ["--duration", "3s", "--clients", "4", "--seed", "7"];
    let (code, printed) = ended(verify(&server.url(), &[&files[..], &races].concat()));
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("Everything that was tried holds") && printed.contains("linearizable"), "{printed}");

    let report = json(&report);
    assert_eq!((&report["format"], &report["verdict"], &report["violations"]), (&1.into(), &"clean".into(), &0.into()));
    let rows = report["conformance"].as_array().expect("rows");
    let others: Vec<_> = rows.iter().filter(|row| row["verdict"] != "holds").collect();
    assert!(others.is_empty() && rows.len() > 500, "{} rows, of which {others:#?}", rows.len());
    let parts = report["parts"].as_array().expect("parts");
    assert!(parts.iter().all(|part| part["presence"] == "supported"), "{parts:#?}");
    assert_eq!(report["races"]["seed"], 7);
    let contests = report["races"]["contests"].as_array().expect("contests");
    assert!(contests.iter().all(|contest| contest["operations"].as_u64() > Some(0)), "{contests:#?}");
    assert!(std::fs::read_to_string(page).expect("written").contains("<h1>Everything that was tried holds"));
    assert_eq!(json(&history).as_object().expect("histories").len(), contests.len());

    let checked = server.checked();
    assert!(checked.contains(" 0 objects ") && checked.contains(" 0 wrong"), "{checked}");
}

#[test]
fn over_tls_and_with_buckets_in_the_host_the_rows_hold_too_and_strangers_are_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made =
        rcgen::generate_simple_self_signed(["verify.localhost".to_owned(), "verify-none.localhost".to_owned()]).expect("a certificate");
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let server = Server::start_with(&["--tls-cert", text(&certificate), "--tls-key", text(&key), "--domain", "localhost"]);
    let (_, port) = server.address.rsplit_once(':').expect("a port");
    let url = format!("https://localhost:{port}");
    let arguments = ["--only", "conformance", "--virtual-hosted", "--bucket", "verify"];
    let mut trusting = verify(&url, &arguments);
    trusting.env("AWS_CA_BUNDLE", &certificate);
    let (code, printed) = ended(trusting);
    assert!(code == Some(0) && printed.contains("Everything that was tried holds"), "{code:?} {printed}");
    let other = rcgen::generate_simple_self_signed(["verify.localhost".to_owned()]).expect("a certificate");
    std::fs::write(&certificate, other.cert.pem()).expect("written");
    let mut strange = verify(&url, &arguments);
    strange.env("AWS_CA_BUNDLE", &certificate);
    let (code, printed) = ended(strange);
    assert!(code == Some(2) && printed.contains("invalid peer certificate"), "{code:?} {printed}");
}

#[test]
fn what_cannot_run_ends_with_2_and_says_what_to_do() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string();
    let nobody = format!("http://{nobody}");
    let mut anonymous = verify(&nobody, &[]);
    anonymous.env_remove("AWS_SECRET_ACCESS_KEY");
    let server = Server::start();
    let mut stranger = verify(&server.url(), &[]);
    stranger.env("AWS_SECRET_ACCESS_KEY", "another");
    let cases = [
        (anonymous, "AWS_SECRET_ACCESS_KEY is not set"),
        (verify(&nobody, &[]), "no connection to"),
        (verify("ftp://host", &[]), "http://HOST:PORT"),
        (verify(&nobody, &["--duration", "soon"]), "90s, 10m, 1h"),
        (verify(&nobody, &["--disturb-every", "5"]), "--disturb"),
        (stranger, "SignatureDoesNotMatch"),
    ];
    for (command, expected) in cases {
        let (code, printed) = ended(command);
        assert!(code == Some(2) && printed.contains(expected), "{expected}: {code:?} {printed}");
    }
}

/// Answers that pass through are changed: another code of the same length.
fn forward(server: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let server = server.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(upstream) = TcpStream::connect(&server) else { continue };
            let copies = (client.try_clone().expect("a copy"), upstream.try_clone().expect("a copy"));
            std::thread::spawn(move || pass(client, upstream, |_| ()));
            std::thread::spawn(move || pass(copies.1, copies.0, spoil));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, change: fn(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn spoil(bytes: &mut [u8]) {
    const CODE: &[u8] = b"<Code>PreconditionFailed<";
    let at = bytes.windows(CODE.len()).position(|window| window == CODE);
    if let Some(at) = at {
        bytes[at..at + CODE.len()].copy_from_slice(b"<Code>PreconditionBroken<");
    }
}

#[test]
fn an_endpoint_that_answers_otherwise_ends_with_1_and_is_named() {
    let server = Server::start();
    let url = format!("http://{}", forward(&server.address));
    let (code, printed) = ended(verify(&url, &["--only", "conformance"]));
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("wrong code put.if-none-match-star.present") && printed.contains("412 PreconditionBroken"), "{printed}");
    let checked = server.checked();
    assert!(checked.contains(" 0 objects "), "{checked}");
}

/// Another's object and upload, in the bucket that is given.
async fn settle(client: &mut Client) {
    let none = s3::Options::none();
    client.must("making a bucket", &s3::create_bucket("theirs", "us-east-1")).await.expect("made");
    client.must("writing", &s3::put("theirs", "holdfast-verify", "theirs", &none)).await.expect("written");
    client.must("beginning an upload", &s3::create_upload("theirs", "holdfast-verify", &none)).await.expect("begun");
}

async fn found(client: &mut Client) -> (Vec<String>, usize) {
    let keys = client.list("theirs", "").await.expect("listed");
    (keys, client.list_uploads("theirs", "").await.expect("listed").len())
}

#[tokio::test]
async fn in_a_bucket_of_others_only_its_own_keys_are_touched() {
    let server = Server::start();
    let mut client = server.client();
    settle(&mut client).await;
    let (code, printed) = ended(verify(&server.url(), &["--bucket", "theirs", "--duration", "1s", "--clients", "2"]));
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(found(&mut client).await, (vec!["holdfast-verify".to_owned()], 1));
}

#[tokio::test]
async fn an_interrupted_run_ends_with_2_and_removes_what_it_made() {
    let server = Server::start();
    let mut client = server.client();
    settle(&mut client).await;
    let mut child = verify(&server.url(), &["--bucket", "theirs", "--duration", "300s"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("races")), "it ended before its races");
    kill_process(Pid::from_child(&child), Signal::INT).expect("signalled");
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("ended").code(), Some(2), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("stopped before it was finished")), "{rest:?}");
    assert_eq!(found(&mut client).await, (vec!["holdfast-verify".to_owned()], 1));
}
