//! The client against a peer that the test plays byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn target(address: std::net::SocketAddr) -> Arc<Target> {
    let credentials = Credentials { access_key: "key".into(), secret_key: "secret".into(), session_token: None };
    let mut target =
        Target::with_credentials(&[format!("http://{address}")], false, credentials, "us-east-1".into(), None).expect("a target");
    let short = Duration::from_millis(200);
    target.timeouts = Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(5), continued: short };
    Arc::new(target)
}

async fn listener() -> (TcpListener, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let client = Client::new(target(listener.local_addr().expect("an address")), 0);
    (listener, client)
}

/// Reads until the empty line after a head.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a byte"));
    }
    String::from_utf8(head).expect("text")
}

async fn answer(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sent");
}

#[tokio::test]
async fn a_kept_connection_is_used_again_and_a_closed_one_is_replaced() {
    let (listener, mut client) = listener().await;
    let server = async {
        let (mut first, _) = listener.accept().await.expect("accepted");
        for _ in 0..2 {
            read_head(&mut first).await;
            answer(&mut first, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nETag: \"e\"\r\n\r\nhi").await;
        }
        drop(first);
        let (mut second, _) = listener.accept().await.expect("accepted");
        read_head(&mut second).await;
        answer(&mut second, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nt: u\r\n\r\n").await;
    };
    let calls = async {
        let call = Call::object("GET", "b", "k");
        for _ in 0..2 {
            let got = client.send(&call).await.expect("an answer");
            assert_eq!((got.status(), got.head.etag(), &got.body[..]), (200, Some("e"), &b"hi"[..]));
        }
        // The peer's close is there when the connection says that it is not reusable.
        let (_, connection) = client.connection.as_mut().expect("kept");
        while connection.is_reusable().await {
            tokio::task::yield_now().await;
        }
        assert_eq!(&client.send(&call).await.expect("an answer").body[..], b"hi!");
    };
    tokio::join!(server, calls);
}

#[tokio::test]
async fn nothing_sent_is_told_from_nobody_knows() {
    let (listener, mut client) = listener().await;
    let call = Call::object("PUT", "b", "k").body("body");
    // A peer that has read everything closes; one that has not resets.
    for reads in [4, 0] {
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            read_head(&mut stream).await;
            stream.read_exact(&mut vec![0; reads]).await.expect("a body");
        };
        let (lost, ()) = tokio::join!(client.send(&call), server);
        assert!(matches!(lost, Err(Lost::Unknown(_))), "{lost:?}");
    }
    drop(listener);
    let lost = client.send(&call).await;
    assert!(matches!(lost, Err(Lost::NothingSent(_))), "{lost:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_lost_even_after_200() {
    for text in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi"] {
        let (listener, mut client) = listener().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            read_head(&mut stream).await;
            answer(&mut stream, text).await;
        };
        let call = Call::object("GET", "b", "k");
        let (lost, ()) = tokio::join!(client.send(&call), server);
        assert!(matches!(lost, Err(Lost::Unknown(_))), "{lost:?}");
    }
}

#[tokio::test]
async fn an_expecting_call_keeps_its_body_until_it_is_wanted() {
    let call = Call::object("PUT", "b", "k").body("body");
    // Refused at once: not one byte of the body follows.
    let (listener, mut client) = listener().await;
    let refusing = async {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let head = read_head(&mut stream).await;
        assert!(head.contains("expect: 100-continue\r\n") && !head.contains("SignedHeaders=expect"), "{head}");
        answer(&mut stream, "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n").await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("closed");
        assert!(rest.is_empty());
    };
    let calls = async {
        let got = client.send_expecting(&call).await.expect("an answer");
        assert_eq!((got.status(), got.head.continued), (412, false));
        client.disconnect();
    };
    tokio::join!(refusing, calls);
    // Wanted, and without a word: the body comes.
    for (says, continued) in [("HTTP/1.1 100 Continue\r\n\r\n", true), ("", false)] {
        let taking = async {
            let (mut stream, _) = listener.accept().await.expect("accepted");
            read_head(&mut stream).await;
            answer(&mut stream, says).await;
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.expect("a body");
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        };
        let (got, ()) = tokio::join!(client.send_expecting(&call), taking);
        assert_eq!(got.map(|got| (got.status(), got.head.continued)), Ok((200, continued)));
    }
}

#[tokio::test]
async fn an_answer_ends_a_body_that_is_still_being_sent() {
    let (listener, mut client) = listener().await;
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    let call = Call::object("PUT", "b", "k");
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let head = read_head(&mut stream).await;
        assert!(head.contains("content-length: 1000\r\n") && head.contains("UNSIGNED-PAYLOAD"), "{head}");
        sender.send(Bytes::from_static(b"first")).await.expect("taken");
        stream.read_exact(&mut [0; 5]).await.expect("a piece");
        answer(&mut stream, "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (got, ()) = tokio::join!(client.send_pieces(&call, 1000, &mut pieces), server);
    assert_eq!(got.map(|got| got.status()), Ok(412));
    assert!(!client.connection.as_ref().expect("there").1.is_kept(), "the peer still waits for the rest");
}

#[tokio::test]
async fn pieces_that_end_early_close_the_connection() {
    let (listener, mut client) = listener().await;
    let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
    sender.send(Bytes::from_static(b"first")).await.expect("taken");
    drop(sender);
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        read_head(&mut stream).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("closed");
        assert_eq!(rest, b"first");
    };
    let call = Call::object("PUT", "b", "k");
    let (got, ()) = tokio::join!(client.send_pieces(&call, 1000, &mut pieces), server);
    assert_eq!(got, Err(Lost::GaveUp));
}
