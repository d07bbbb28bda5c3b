//! The embedded store passes the contract suite.

use async_trait::async_trait;
use holdfast_embedded::{EmbeddedStore, Options};
use holdfast_store::contract::Subject;

struct OnDisk {
    folder: tempfile::TempDir,
    store: EmbeddedStore,
}

#[async_trait]
impl Subject for OnDisk {
    type Store = EmbeddedStore;

    fn store(&self) -> EmbeddedStore {
        self.store.clone()
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = EmbeddedStore::open(self.folder.path(), Options::default()).expect("it opens");
        self.store.reclaimed().await;
    }
}

fn fresh() -> OnDisk {
    let folder = tempfile::tempdir().expect("a folder");
    let store = EmbeddedStore::open(folder.path(), Options::default()).expect("it opens");
    OnDisk { folder, store }
}

holdfast_store::contract_tests!(fresh());
