//! Bounds: requests at once, connections at once, patience.

use std::sync::Arc;

use holdfast_server::Handler;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Running, config, connect, exchange, handler, noting, read_until, statuses, text};

/// Notes the arrival of each request, and answers when the gate lets it through.
fn gated(arrived: &Arc<Semaphore>, gate: &Arc<Semaphore>) -> Handler {
    let (arrived, gate) = (Arc::clone(arrived), Arc::clone(gate));
    handler(move |_, _| {
        let (arrived, gate) = (Arc::clone(&arrived), Arc::clone(&gate));
        async move {
            arrived.add_permits(1);
            gate.acquire().await.expect("open").forget();
            text("done".to_owned())
        }
    })
}

const GET: &[u8] = b"GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_the_limit_gets_slow_down_and_room_comes_back() {
    let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server = Running::start(&config(&[("max-requests", "2")]), gated(&arrived, &gate));
    let served: Vec<_> = (0..2).map(|_| tokio::spawn(exchange(server.address, GET))).collect();
    arrived.acquire_many(2).await.expect("both arrived").forget();

    let refused = exchange(server.address, GET).await;
    assert_eq!(statuses(&refused), [503], "{refused}");
    assert!(refused.contains("<Code>SlowDown</Code>") && refused.contains("retry-after: 1"), "{refused}");
    let health = exchange(server.address, b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&health), [200], "health is asked about most when the server is full");

    gate.add_permits(3);
    for answer in served {
        assert_eq!(statuses(&answer.await.expect("no panic")), [200]);
    }
    assert_eq!(statuses(&exchange(server.address, GET).await), [200]);
    let metrics = server.metrics.render();
    assert!(metrics.contains("holdfast_slow_downs_total 1\n"), "{metrics}");
    assert!(metrics.contains("holdfast_s3_requests_total{operation=\"Unknown\",code=\"SlowDown\"} 1\n"), "{metrics}");
    assert!(metrics.contains("holdfast_s3_requests_total{operation=\"Test\",code=\"200\"} 3\n"), "{metrics}");
    assert!(metrics.contains("holdfast_requests_in_flight 0\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_gives_its_room_back() {
    let (arrived, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gone = Arc::new(Notify::new());
    let inner = gated(&arrived, &gate);
    let on_drop = Arc::clone(&gone);
    let handler: Handler = Arc::new(move |request, info| {
        struct Told(Arc<Notify>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let (told, answer) = (Told(Arc::clone(&on_drop)), inner(request, info));
        Box::pin(async move {
            let answer = answer.await;
            drop(told);
            answer
        })
    });
    let server = Running::start(&config(&[("max-requests", "1")]), handler);
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /k HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    arrived.acquire().await.expect("arrived").forget();
    drop(stream);
    gone.notified().await;
    gate.add_permits(1);
    // The room is given back in the same step in which the handler is dropped, just after it.
    while server.metrics.requests_in_flight.get() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(statuses(&exchange(server.address, GET).await), [200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_beyond_the_limit_waits_until_another_one_closes() {
    let seen = Arc::default();
    let server = Running::start(&config(&[("max-connections", "1")]), noting(&seen));
    let mut first = connect(server.address).await;
    first.write_all(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    read_until(&mut first, "GET /first ").await;

    let mut second = connect(server.address).await;
    second.write_all(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    first.write_all(b"GET /third HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    read_until(&mut first, "GET /third ").await;
    assert_eq!(*seen.lock().expect("notes"), ["GET /first ", "GET /third "]);

    drop(first);
    read_until(&mut second, "GET /second ").await;
}

/// Starts a server with short patience; the clock of the runtime jumps when everything waits.
fn impatient() -> Running {
    let given = [("idle-timeout", "30"), ("head-timeout", "5"), ("stall-timeout", "7")];
    Running::start(&config(&given), noting(&Arc::default()))
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let server = impatient();
    let started = tokio::time::Instant::now();
    let answer = exchange(server.address, b"GET /k HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
    assert!(started.elapsed().as_secs() >= 30, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_refused() {
    let server = impatient();
    let started = tokio::time::Instant::now();
    let mut stream = connect(server.address).await;
    stream.write_all(b"GET /k HTTP/1.1\r\nHost:").await.expect("sent");
    let answer = read_until(&mut stream, "</Error>").await;
    assert!(statuses(&answer) == [400] && answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_arriving_breaks_off() {
    let server = impatient();
    let started = tokio::time::Instant::now();
    let mut stream = connect(server.address).await;
    stream.write_all(b"PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("closed");
    assert!(statuses(&answer).len() <= 1, "{answer}");
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
