//! The way from the signal to the end.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Running, config, connect, handler, noting, read_until, statuses, text};

const GET: &[u8] = b"GET /k HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_is_finished_and_no_other_is_begun() {
    let (arrived, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&arrived), Arc::clone(&finish));
    let slow = handler(move |_, _| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            text("finished".to_owned())
        }
    });
    let mut server = Running::start(&config(&[("admin-listen", "127.0.0.1:0")]), slow);
    let address = server.address;
    let mut idle = connect(address).await;
    let mut busy = connect(address).await;
    busy.write_all(GET).await.expect("sent");
    arrived.notified().await;

    server.tell_to_stop();
    assert_eq!(idle.read(&mut [0]).await.expect("closed"), 0, "an idle connection is closed at once");
    let mut admin = connect(server.admin.expect("an admin address")).await;
    admin.write_all(b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    let ready = read_until(&mut admin, "stopping\n").await;
    assert_eq!(statuses(&ready), [503], "{ready}");

    finish.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.expect("answered");
    assert!(statuses(&answer) == [200] && answer.ends_with("finished"), "{answer}");
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_end_is_cut_off_after_the_grace() {
    let arrived = Arc::new(Notify::new());
    let tell = Arc::clone(&arrived);
    let stuck = handler(move |_, _| {
        tell.notify_one();
        std::future::pending()
    });
    let mut server = Running::start(&config(&[("shutdown-grace", "12"), ("stall-timeout", "100")]), stuck);
    let mut stream = connect(server.address).await;
    stream.write_all(GET).await.expect("sent");
    arrived.notified().await;
    let told = tokio::time::Instant::now();
    server.tell_to_stop();
    server.ended().await;
    assert_eq!(told.elapsed().as_secs(), 12);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert_eq!(answer, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_requests_ends_at_once() {
    let mut server = Running::start(&config(&[]), noting(&Arc::default()));
    let mut stream = connect(server.address).await;
    stream.write_all(GET).await.expect("sent");
    read_until(&mut stream, "GET /k ").await;
    server.tell_to_stop();
    server.ended().await;
    assert_eq!(stream.read(&mut [0]).await.expect("closed"), 0);
}
