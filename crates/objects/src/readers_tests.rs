//! Tickets and pins, by hand. Their schedules are in `tests/schedules.rs`.

use crate::{readers::Readers, records::ContentId};

#[tokio::test]
async fn the_collector_waits_for_earlier_readers_and_sees_their_pins() {
    let readers = Readers::default();
    let early = readers.enter();
    let settled = tokio::spawn({
        let readers = readers.clone();
        async move { readers.settled().await }
    });
    tokio::task::yield_now().await;
    assert!(!settled.is_finished());
    let _later = readers.enter();
    let pins = early.pin(vec![ContentId(1), ContentId(1)]);
    settled.await.unwrap();
    assert!(readers.is_pinned(ContentId(1)));
    drop(pins);
    assert!(!readers.is_pinned(ContentId(1)));
}
