//! The server binary under test: started on a port of its own, killed, started again on the same folder.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::OnceLock,
    time::{Duration, Instant},
};

use holdfast_embedded::FailPoint;
use holdfast_verify::client::{Credentials, Target};

const ACCESS_KEY: &str = "HOLDFASTTESTACCESS01";
const SECRET_KEY: &str = "holdfast/test+secret/of-the-root-user0001";
const KILLED: i32 = 9;
const TERMINATED: rustix::process::Signal = rustix::process::Signal::TERM;
/// Far more than any start, stop or check takes on a busy machine.
const LONGEST: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(5);

/// A point and how often it is passed before the server dies there.
pub(crate) type Death = (FailPoint, u64);

/// What became of a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Started {
    Ready,
    /// It died at its failpoint before it was ready.
    Dead,
}

pub(crate) struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), address: free_address(), admin: free_address(), process: None }
    }

    pub(crate) fn target(&self) -> Target {
        let credentials = Credentials { access_key: ACCESS_KEY.into(), secret_key: SECRET_KEY.into(), session_token: None };
        Target::with_credentials(&[format!("http://{}", self.address)], false, credentials, "us-east-1".into(), None).expect("a target")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it and waits until it is ready or dead. If it is to die, then `at_once`, or only once it is armed.
    pub(crate) fn start(&mut self, death: Option<Death>, at_once: bool) -> Started {
        let _ = fs::remove_file(self.trigger());
        let log = File::options().append(true).create(true).open(self.log()).expect("a log");
        let mut command = Command::new(binary());
        // Those of the tests are no settings.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HOLDFAST_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--data"]).arg(self.data());
        command.args(["--listen", &self.address.to_string(), "--admin-listen", &self.admin.to_string()]);
        command.env("HOLDFAST_ROOT_ACCESS_KEY", ACCESS_KEY).env("HOLDFAST_ROOT_SECRET_KEY", SECRET_KEY);
        command.env("HOLDFAST_FAILPOINT", death.map_or(String::new(), |(point, count)| format!("{}:{count}", point.name())));
        if !at_once {
            command.env("HOLDFAST_FAILPOINT_ARMED", self.trigger());
        }
        self.process = Some(command.stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("the server starts"));
        let since = Instant::now();
        while http(self.address, "/health/ready").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
            if let Some(status) = self.status() {
                assert!(death.is_some() && status.signal() == Some(KILLED), "it does not start: {status}\n{}", self.last_lines());
                self.process = None;
                return Started::Dead;
            }
            assert!(since.elapsed() < LONGEST, "it does not become ready:\n{}", self.last_lines());
            std::thread::park_timeout(POLL);
        }
        Started::Ready
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.try_wait().expect("its status"))
    }

    fn trigger(&self) -> PathBuf {
        self.folder.path().join("armed")
    }

    /// From now on the failpoint counts.
    pub(crate) fn arm(&self) {
        fs::write(self.trigger(), "").expect("a file");
    }

    /// Waits until it has died at its failpoint.
    pub(crate) fn wait_for_death(&mut self, point: FailPoint) {
        let since = Instant::now();
        loop {
            if let Some(status) = self.status() {
                assert_eq!(status.signal(), Some(KILLED), "{status}:\n{}", self.last_lines());
                self.process = None;
                return;
            }
            assert!(since.elapsed() < LONGEST, "{} was not reached:\n{}", point.name(), self.last_lines());
            std::thread::park_timeout(POLL);
        }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a kill");
            process.wait().expect("its end");
        }
    }

    /// Tells it to stop.
    pub(crate) fn terminate(&self) {
        let process = self.process.as_ref().expect("a process");
        rustix::process::kill_process(rustix::process::Pid::from_child(process), TERMINATED).expect("a signal");
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        let status = self.process.take().expect("a process").wait().expect("its end");
        assert!(status.success(), "{status}:\n{}", self.last_lines());
    }

    /// `holdfast check` on the folder, which nobody serves now.
    pub(crate) fn check(&self) -> Result<String, String> {
        let checked = Command::new(binary()).args(["check", "--data"]).arg(self.data()).output().expect("the check runs");
        if checked.status.success() { Ok(text(&checked.stdout)) } else { Err(text(&checked.stdout) + &text(&checked.stderr)) }
    }

    /// Nothing is wrong. Returns what was counted.
    pub(crate) fn assert_checked(&self) -> String {
        self.check().unwrap_or_else(|findings| panic!("holdfast check:\n{findings}"))
    }

    /// A number that it shows about itself.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let answer = http(self.admin, "/metrics")?;
        let line = answer.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')))?;
        line.trim().parse().ok()
    }

    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !holds(self) {
            assert!(since.elapsed() < LONGEST, "it never came to: {what}\n{}", self.last_lines());
            std::thread::park_timeout(POLL);
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn last_lines(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        text(&log[log.len().saturating_sub(4000)..])
    }

    /// Keeps the folder for whoever looks at what went wrong.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = self.keep();
            eprintln!("the data folder and the log are kept in {}", folder.display());
        }
        self.kill();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

/// The answer to a GET, or nothing if nobody is there.
fn http(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LONGEST)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(text(&answer))
}

/// HOLDFAST_FAILPOINT_BIN, or a build of our own: with its own folder, so that no other build is overwritten.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("HOLDFAST_FAILPOINT_BIN") {
            return binary.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from).join("failpoints");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--locked", "-p", "holdfast-cli", "--features", "failpoints", "--target-dir"]).arg(&target);
        assert!(build.current_dir(root).status().expect("cargo runs").success(), "the server with failpoints is not built");
        target.join("debug/holdfast")
    })
}
