//! The contest of listings: what was acknowledged before a listing began is in it, and what was deleted is not.
//!
//! Each key has one owner, who writes it once and may delete it once, so everybody knows what must be there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use super::{
    ViolationKind,
    worker::{Gone, Known, Pace, Worker},
};
use crate::{
    client::{Answer, Call, xml},
    history::{Condition, Etag, Key, Outcome},
};

/// What the owners say of their keys.
#[derive(Default)]
pub(super) struct Registry {
    fates: Mutex<HashMap<Key, Fate>>,
}

/// A key's life, in moments of the phase.
#[derive(Clone, Debug, Default)]
struct Fate {
    name: String,
    /// When the write was acknowledged, with its ETag.
    written: Option<(u64, Etag)>,
    /// When the delete was called.
    delete_called: Option<u64>,
    /// When the delete was acknowledged.
    deleted: Option<u64>,
}

/// Keys that one client has at most; then it deletes one.
const OWN_KEYS_MAX: usize = 12;
const PAGES_MAX: usize = 100;

impl Registry {
    pub(super) async fn run(&self, worker: &mut Worker) -> Result<(), Gone> {
        let mut own = Vec::new();
        let mut written = 0;
        while !worker.is_done() {
            let is_full = own.len() >= OWN_KEYS_MAX;
            match worker.random.below(10) {
                0..5 if !is_full => {
                    written += 1;
                    let key = worker.phase.key(&format!("{:02}/{}-{written}", worker.random.below(8), worker.id));
                    if self.write(worker, key).await? {
                        own.push(key);
                    }
                }
                0..7 if !own.is_empty() => {
                    let at = worker.random.below(own.len() as u64) as usize;
                    self.delete(worker, own.swap_remove(at)).await?;
                }
                _ => self.list(worker).await?,
            }
        }
        Ok(())
    }

    fn change(&self, key: Key, change: impl FnOnce(&mut Fate)) {
        change(self.fates.lock().expect("nothing panics under this lock").entry(key).or_default());
    }

    async fn write(&self, worker: &mut Worker, key: Key) -> Result<bool, Gone> {
        let name = worker.phase.name(key);
        worker.put(key, Condition::None, Pace::AtOnce).await?;
        // Without an answer or an ETag nobody knows, and the key is left alone.
        let Some(Known::Holds(etag)) = worker.known.get(&key).cloned() else { return Ok(false) };
        let now = worker.phase.now();
        self.change(key, |fate| {
            fate.name = name;
            fate.written = Some((now, etag));
        });
        Ok(true)
    }

    async fn delete(&self, worker: &mut Worker, key: Key) -> Result<(), Gone> {
        let called = worker.phase.now();
        self.change(key, |fate| fate.delete_called = Some(called));
        if worker.delete(key, Condition::None).await? == Outcome::Deleted {
            let now = worker.phase.now();
            self.change(key, |fate| fate.deleted = Some(now));
        }
        Ok(())
    }

    /// Lists a part of the keys, or all, in small pages or large ones.
    async fn list(&self, worker: &mut Worker) -> Result<(), Gone> {
        let part = if worker.random.chance(60) { format!("{:02}/", worker.random.below(8)) } else { String::new() };
        let prefix = format!("{}{}/{part}", worker.phase.options.prefix, worker.phase.shape.name());
        let page_keys = [3, 20, 1000][worker.random.below(3) as usize];
        let called = worker.phase.now();
        // Only a page's own state is promised: each key is judged by when its page was asked for.
        let mut listed = Listed { began: called, ..Listed::default() };
        for _ in 0..PAGES_MAX {
            let mut call = Call::new("GET", &worker.phase.options.bucket, None).query("list-type", "2").query("prefix", &prefix);
            call = call.query("max-keys", &page_keys.to_string());
            if let Some(token) = &listed.token {
                call = call.query("continuation-token", token);
            }
            let asked = worker.phase.now();
            let Some(answer) = worker.ask(&call).await?.filter(Answer::is_success) else {
                worker.count(("ListObjectsV2", "unknown"), worker.phase.now() - called);
                return Ok(());
            };
            if listed.add(&answer, asked) {
                break;
            }
        }
        listed.ended = worker.phase.now();
        worker.operations += 1;
        worker.phase.tide.rise();
        worker.count(("ListObjectsV2", "listed"), listed.ended - called);
        self.judge(worker, &prefix, &listed);
        Ok(())
    }

    fn judge(&self, worker: &mut Worker, prefix: &str, listed: &Listed) {
        let wrong: Vec<(Key, ViolationKind, String)> = {
            let fates = self.fates.lock().expect("nothing panics under this lock");
            let of_prefix = fates.iter().filter(|(_, fate)| fate.name.starts_with(prefix));
            of_prefix.filter_map(|(key, fate)| fate.contradicts(listed).map(|(kind, what)| (*key, kind, what))).collect()
        };
        for (key, kind, what) in wrong {
            worker.accuse(key, listed.began, kind, what);
        }
    }
}

/// What a listing showed.
#[derive(Debug, Default)]
struct Listed {
    began: u64,
    ended: u64,
    /// Names with their ETags, and when the page was asked for that they stand in.
    keys: BTreeMap<String, (Etag, u64)>,
    /// For the next page, if there is one.
    token: Option<String>,
}

impl Listed {
    /// Takes a page. Whether it is the last.
    fn add(&mut self, answer: &Answer, asked: u64) -> bool {
        for record in xml::records(&answer.body, "Contents") {
            let text = |name| xml::field(&record, name).unwrap_or_default();
            self.keys.insert(text("Key").to_owned(), (text("ETag").trim_matches('"').into(), asked));
        }
        self.token = xml::first(&answer.body, "NextContinuationToken");
        self.token.is_none()
    }
}

impl Listed {
    /// Whether the listing came so far. One of very many pages is not read to its end.
    fn reaches(&self, name: &str) -> bool {
        self.token.is_none() || self.keys.last_key_value().is_some_and(|(last, _)| name <= last.as_str())
    }
}

impl Fate {
    fn contradicts(&self, listed: &Listed) -> Option<(ViolationKind, String)> {
        let (written, etag) = self.written.as_ref()?;
        match listed.keys.get(&self.name) {
            None if !listed.reaches(&self.name) => None,
            None if *written < listed.began && self.delete_called.is_none_or(|called| called > listed.ended) => {
                Some((ViolationKind::ListingLacks, "a listing lacks a key whose write was acknowledged before it began".to_owned()))
            }
            Some((_, asked)) if self.deleted.is_some_and(|deleted| deleted < *asked) => Some((
                ViolationKind::ListingShows,
                "a listing shows a key whose delete was acknowledged before its page was asked for".to_owned(),
            )),
            Some((shown, _)) if shown != etag => {
                Some((ViolationKind::ListingShows, format!("a listing shows the ETag {shown} of a key that has only ever had {etag}")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(written: u64, delete_called: Option<u64>, deleted: Option<u64>) -> Fate {
        Fate { name: "k".into(), written: Some((written, "e".into())), delete_called, deleted }
    }

    #[test]
    fn a_listing_is_judged_as_far_as_it_was_read() {
        let until = |last: &str| Listed {
            began: 100,
            ended: 200,
            keys: [(last.to_owned(), ("e".into(), 150))].into(),
            token: Some("there is more".into()),
        };
        assert_eq!(fate(50, None, None).contradicts(&until("j")), None);
        assert!(fate(50, None, None).contradicts(&until("l")).is_some());
    }

    #[test]
    fn a_listing_must_show_what_was_acknowledged_and_not_what_was_deleted() {
        let with = |etag: &str| Listed { began: 100, ended: 200, keys: [("k".to_owned(), (etag.into(), 150))].into(), token: None };
        let without = Listed { began: 100, ended: 200, ..Listed::default() };
        let kind = |fate: Fate, listed: &Listed| fate.contradicts(listed).map(|(kind, _)| kind);
        assert_eq!(kind(fate(50, None, None), &without), Some(ViolationKind::ListingLacks));
        assert_eq!(kind(fate(50, Some(250), Some(260)), &without), Some(ViolationKind::ListingLacks));
        assert_eq!(kind(fate(50, None, None), &with("e")), None);
        assert_eq!(kind(fate(50, None, None), &with("other")), Some(ViolationKind::ListingShows));
        // Under way at the same time: either is right.
        assert_eq!(kind(fate(120, None, None), &without), None);
        assert_eq!(kind(fate(50, Some(120), None), &without), None);
        assert_eq!(kind(fate(50, Some(120), Some(160)), &with("e")), None);
        assert_eq!(kind(fate(50, Some(120), Some(140)), &with("e")), Some(ViolationKind::ListingShows));
    }
}
