//! Clients that write with conditions until the server dies, and know afterwards what must be there.
//!
//! Each owns some keys; so it knows the answer that every one of its requests must get, and after a kill the two worlds that are
//! possible: as acknowledged, and as it is if what was under way happened. All race to create the keys of a contest: one wins, and
//! who was refused was promised that there is a winner.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use holdfast_verify::client::{
    Answer, Call, Client, Target,
    s3::{self, Options},
};

pub(crate) const BUCKET: &str = "kills";
const KEYS: usize = 6;
const PAUSE: Duration = Duration::from_millis(5);
const OTHER_ETAG: &str = "0123456789abcdef0123456789abcdef";
/// In the batch; also in the batch; a blob; a blob of several writes.
const SIZES: [usize; 4] = [20, 4096, 70_000, 1_300_000];

/// A small generator whose choices a seed repeats.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % end as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What a key holds.
#[derive(Clone, PartialEq, Eq)]
struct Object {
    bytes: Bytes,
    etag: String,
}

type World = BTreeMap<String, Option<Object>>;

/// There is no answer that says what happened.
enum Unsure {
    /// The server died.
    Dead,
    /// It said that it does not know, or that it cannot now.
    Alive,
}

/// Everything that one writer knows.
pub(crate) struct Writer {
    number: usize,
    seed: u64,
    chance: Chance,
    client: Client,
    world: World,
    under_way: Option<(String, Option<Object>, Option<String>)>,
    sequence: u64,
    acknowledged: Arc<AtomicU64>,
}

/// Bytes that name who wrote them.
fn payload(name: &str, size: usize) -> Bytes {
    let mut bytes = format!("{name}.").into_bytes().repeat(size / (name.len() + 1) + 1);
    bytes.truncate(size.max(name.len()));
    bytes.into()
}

impl Writer {
    pub(crate) fn new(number: usize, seed: u64, target: &Arc<Target>, acknowledged: &Arc<AtomicU64>) -> Self {
        let names = (0..KEYS).map(|n| (format!("writer-{number}/key-{n}"), None));
        Self {
            number,
            seed,
            chance: Chance::new(seed ^ (number as u64 + 1) << 40),
            client: Client::new(Arc::clone(target), 0),
            world: names.collect(),
            under_way: None,
            sequence: 0,
            acknowledged: Arc::clone(acknowledged),
        }
    }

    /// Writes until the server dies.
    pub(crate) async fn run(&mut self, contest: &Contest) {
        loop {
            let done = match self.chance.below(12) {
                0 | 1 => self.create().await,
                2 | 3 => self.swap().await,
                4 => self.copy_or_rename(false).await,
                5 => self.copy_or_rename(true).await,
                6 => self.delete().await,
                7 => self.complete().await,
                8 => self.wrong_swap().await,
                9 => self.read().await,
                _ => contest.enter(self).await,
            };
            let is_dead = match done {
                Ok(()) => false,
                Err(Unsure::Dead) => true,
                Err(Unsure::Alive) => self.settle().await.is_err(),
            };
            if is_dead {
                self.client.disconnect();
                return;
            }
            self.acknowledged.fetch_add(1, Relaxed);
        }
    }

    /// Waits until the server takes writes again: by then it knows what became of those before. Then reads what is there.
    async fn settle(&mut self) -> Result<(), Unsure> {
        let scratch = format!("scratch/{}", self.number);
        while !self.client.send(&s3::put(BUCKET, &scratch, "x", &Options::none())).await.map_err(|_| Unsure::Dead)?.is_success() {
            tokio::time::sleep(PAUSE).await;
        }
        self.look().await.map(drop)
    }

    /// Sends a request. `key` holds `then` if it happens, and `gone` nothing.
    async fn send(&mut self, call: Call, then: Option<(String, Option<Object>, Option<String>)>) -> Result<Answer, Unsure> {
        self.under_way = then;
        let answer = match self.client.send(&call).await {
            Ok(answer) => answer,
            Err(lost) => {
                if lost.is_definite() {
                    self.under_way = None;
                }
                return Err(Unsure::Dead);
            }
        };
        if answer.status() == 500 {
            return Err(Unsure::Alive);
        }
        let then = self.under_way.take();
        if answer.status() == 503 {
            return Err(Unsure::Alive);
        }
        if answer.is_success()
            && let Some((key, object, gone)) = then
        {
            let object = object.map(|o| Object { etag: answer.etag().unwrap_or(o.etag), ..o });
            self.world.insert(key, object);
            if let Some(gone) = gone {
                self.world.insert(gone, None);
            }
        }
        Ok(answer)
    }

    fn expect(&self, answer: &Answer, statuses: &[u16]) {
        assert!(statuses.contains(&answer.status()), "seed {}: {} instead of {statuses:?}", self.seed, answer.in_short());
    }

    fn fresh(&mut self) -> Bytes {
        self.sequence += 1;
        payload(&format!("writer {} write {}", self.number, self.sequence), *self.chance.of(&SIZES))
    }

    fn any_key(&mut self) -> String {
        let names: Vec<&String> = self.world.keys().collect();
        (*self.chance.of(&names)).clone()
    }

    /// A key that holds something.
    fn present(&mut self) -> Option<(String, Object)> {
        let present: Vec<(String, Object)> = self.world.iter().filter_map(|(key, o)| Some((key.clone(), o.clone()?))).collect();
        (!present.is_empty()).then(|| self.chance.of(&present).clone())
    }

    /// A condition that holds on the key as it is.
    fn condition_on(&self, key: &str) -> Options {
        match &self.world[key] {
            None => Options::none().if_absent(),
            Some(object) => Options::none().if_match(&object.etag),
        }
    }

    async fn put(&mut self, key: String, options: Options, statuses: &[u16]) -> Result<(), Unsure> {
        let bytes = self.fresh();
        let call = s3::put(BUCKET, &key, bytes.clone(), &options);
        let answer = self.send(call, Some((key, Some(Object { bytes, etag: String::new() }), None))).await?;
        self.expect(&answer, statuses);
        Ok(())
    }

    async fn create(&mut self) -> Result<(), Unsure> {
        let key = self.any_key();
        let expect = if self.world[&key].is_some() { 412 } else { 200 };
        self.put(key, Options::none().if_absent(), &[expect]).await
    }

    async fn swap(&mut self) -> Result<(), Unsure> {
        let Some((key, object)) = self.present() else { return Ok(()) };
        self.put(key, Options::none().if_match(&object.etag), &[200]).await
    }

    async fn wrong_swap(&mut self) -> Result<(), Unsure> {
        let key = self.any_key();
        let expect = if self.world[&key].is_some() { 412 } else { 404 };
        self.put(key, Options::none().if_match(OTHER_ETAG), &[expect]).await
    }

    async fn copy_or_rename(&mut self, renames: bool) -> Result<(), Unsure> {
        let Some((source, object)) = self.present() else { return Ok(()) };
        let key = self.any_key();
        if key == source {
            return Ok(());
        }
        let options = self.condition_on(&key);
        let call = if renames { s3::rename(BUCKET, &source, &key, &options) } else { s3::copy(BUCKET, &source, &key, &options) };
        let answer = self.send(call, Some((key, Some(object), renames.then_some(source)))).await?;
        self.expect(&answer, &[200]);
        Ok(())
    }

    async fn delete(&mut self) -> Result<(), Unsure> {
        let Some((key, object)) = self.present() else { return Ok(()) };
        let call = s3::delete(BUCKET, &key, &Options::none().if_match(&object.etag));
        let answer = self.send(call, Some((key, None, None))).await?;
        self.expect(&answer, &[204]);
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), Unsure> {
        let (key, bytes) = (self.any_key(), self.fresh());
        let created = self.send(s3::create_upload(BUCKET, &key, &Options::none()), None).await?;
        let upload = s3::upload_id(&created).expect("an upload");
        let part = self.send(s3::upload_part(BUCKET, &key, &upload, 1, bytes.clone()), None).await?;
        let parts = [(1, part.etag().expect("an etag"))];
        let call = s3::complete_upload(BUCKET, &key, &upload, &parts, &self.condition_on(&key));
        let answer = self.send(call, Some((key, Some(Object { bytes, etag: String::new() }), None))).await?;
        self.expect(&answer, &[200]);
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Unsure> {
        let key = self.any_key();
        let answer = self.send(s3::get(BUCKET, &key, &Options::none()), None).await?;
        let found = object_of(&answer);
        assert!(found == self.world[&key], "seed {}: {key} reads as {}", self.seed, answer.in_short());
        Ok(())
    }

    /// Reads what is there after a restart. Returns how many keys hold something.
    pub(crate) async fn verify(&mut self) -> usize {
        let Ok(there) = self.look().await else { panic!("seed {}: no answer after the restart", self.seed) };
        there
    }

    /// Reads the owned keys; they must be one of the possible worlds.
    async fn look(&mut self) -> Result<usize, Unsure> {
        let mut read = World::new();
        for key in self.world.keys() {
            let answer = self.client.send(&s3::get(BUCKET, key, &Options::none())).await.map_err(|_| Unsure::Dead)?;
            assert!(matches!(answer.status(), 200 | 404), "seed {}: {key}: {}", self.seed, answer.in_short());
            read.insert(key.clone(), object_of(&answer));
        }
        let mut possible = vec![self.world.clone()];
        if let Some((key, object, gone)) = self.under_way.take() {
            let mut then = self.world.clone();
            // The ETag of an answer that did not come is the one that is read now.
            let etag = read[&key].as_ref().map_or(String::new(), |found| found.etag.clone());
            then.insert(key, object.map(|o| Object { etag, ..o }));
            gone.map(|gone| then.insert(gone, None));
            possible.push(then);
        }
        let shown: Vec<String> = possible.iter().map(shown).collect();
        assert!(possible.contains(&read), "seed {}: read\n{}\npossible\n{}", self.seed, self::shown(&read), shown.join("\nor\n"));
        self.world = read;
        Ok(self.world.values().flatten().count())
    }
}

fn object_of(answer: &Answer) -> Option<Object> {
    (answer.status() == 200).then(|| Object { bytes: answer.body.clone(), etag: answer.etag().expect("an etag") })
}

fn shown(world: &World) -> String {
    let name =
        |o: &Object| format!("{:?} ({} bytes, {})", String::from_utf8_lossy(&o.bytes[..24.min(o.bytes.len())]), o.bytes.len(), o.etag);
    let lines = world.iter().map(|(key, object)| format!("  {key}: {}", object.as_ref().map_or("nothing".into(), name)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Keys that all writers try to create, one after the other.
#[derive(Default)]
pub(crate) struct Contest {
    round: usize,
    /// For each key, the status that each writer got, if it got one.
    outcomes: Mutex<Vec<BTreeMap<usize, Option<u16>>>>,
}

impl Contest {
    pub(crate) fn new(round: usize) -> Self {
        Self { round, outcomes: Mutex::default() }
    }

    fn key(&self, turn: usize) -> String {
        format!("contest/{}/{turn}", self.round)
    }

    fn entry(&self, turn: usize, writer: usize) -> Bytes {
        payload(&format!("{} by {writer}", self.key(turn)), SIZES[writer % 3])
    }

    async fn enter(&self, writer: &mut Writer) -> Result<(), Unsure> {
        let turn = {
            let mut outcomes = self.outcomes.lock().expect("no panic");
            let turn = outcomes.iter().position(|of| !of.contains_key(&writer.number)).unwrap_or(outcomes.len());
            if turn == outcomes.len() {
                outcomes.push(BTreeMap::new());
            }
            outcomes[turn].insert(writer.number, None);
            turn
        };
        let call = s3::put(BUCKET, &self.key(turn), self.entry(turn, writer.number), &Options::none().if_absent());
        let answer = writer.send(call, None).await?;
        writer.expect(&answer, &[200, 409, 412]);
        self.outcomes.lock().expect("no panic")[turn].insert(writer.number, Some(answer.status()));
        Ok(())
    }

    /// One winner at most; if anyone won or was refused, a winner's bytes.
    pub(crate) async fn verify(&self, client: &mut Client, seed: u64) {
        let outcomes = self.outcomes.lock().expect("no panic").clone();
        for (turn, of) in outcomes.into_iter().enumerate() {
            let key = self.key(turn);
            let with = |statuses: &[Option<u16>]| of.iter().filter(|(_, s)| statuses.contains(s)).map(|(w, _)| *w).collect::<Vec<_>>();
            let (winners, unknown, refused) = (with(&[Some(200)]), with(&[None]), with(&[Some(409), Some(412)]));
            assert!(winners.len() <= 1, "seed {seed}: {key} has the winners {winners:?}");
            let answer = client.send(&s3::get(BUCKET, &key, &Options::none())).await.expect("an answer after the restart");
            if answer.status() == 404 {
                assert!(winners.is_empty() && refused.is_empty(), "seed {seed}: {key} is lost: {of:?}");
            } else {
                let allowed = if winners.is_empty() { unknown } else { winners };
                let found = allowed.iter().any(|writer| answer.body == self.entry(turn, *writer));
                assert!(answer.status() == 200 && found, "seed {seed}: {key} is {}: {of:?}", answer.in_short());
            }
        }
    }
}
