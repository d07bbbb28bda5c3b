//! The store in memory passes the contract suite, and so does one behind `Faulty` that is not told to fail.

use async_trait::async_trait;
use holdfast_store::{
    Commit, Family, Fault, Faulty, MemoryStore, Metadata, RecordKey, Records, StoreError, Write, contract::Subject, transact,
};

struct InMemory(Faulty<MemoryStore>);

#[async_trait]
impl Subject for InMemory {
    type Store = Faulty<MemoryStore>;

    fn store(&self) -> Self::Store {
        self.0.clone()
    }

    async fn reopen(&mut self) {}
}

fn fresh() -> InMemory {
    InMemory(Faulty::new(MemoryStore::default()))
}

holdfast_store::contract_tests!(fresh());

#[tokio::test]
async fn every_fault_does_what_its_answer_says() {
    let key = RecordKey::new(Family::Object, "k");
    for (fault, definite, applied) in [
        (Fault::None, None, true),
        (Fault::Busy, Some(true), false),
        (Fault::Full, Some(true), false),
        (Fault::Unavailable, Some(true), false),
        (Fault::IndefiniteApplied, Some(false), true),
        (Fault::IndefiniteLost, Some(false), false),
        (Fault::DecideTwice, None, true),
        (Fault::Rival(vec![Write::put(RecordKey::new(Family::Object, "rival"), "r")]), None, true),
    ] {
        let store = fresh().0;
        store.next_transaction(fault.clone());
        let name = key.clone();
        let answer: Result<Result<(), ()>, StoreError> =
            transact(&store, vec![key.clone()], move |_: &Records<'_>| Commit::Write(vec![Write::put(name.clone(), "v")], ())).await;
        assert_eq!(answer.err().map(|e| e.is_definite()), definite, "{fault:?}");
        assert_eq!(store.get(&key).await.unwrap().is_some(), applied, "{fault:?}");
        assert_eq!(store.faults_left(), 0);
    }
}
