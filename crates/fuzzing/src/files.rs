//! Journals and extent files as recovery meets them: whole, cut short, with a byte changed.

use holdfast_embedded::fuzzing::{extent_data, extent_file_bytes, extent_footer, extent_trailer, journal_end};

use crate::input::{Input, pieces};

/// What a journal is to its reader must not depend on the zeros behind it, and its valid part alone is the same journal.
fn check_any(bytes: &[u8]) {
    let found = journal_end(bytes);
    let mut reserved = bytes.to_vec();
    reserved.extend_from_slice(&[0; 300]);
    assert_eq!(journal_end(&reserved), found, "zeros behind a journal mean nothing");
    match found {
        Ok((valid, torn)) => {
            assert!(valid <= bytes.len());
            assert_eq!(torn, bytes[valid..].iter().any(|byte| *byte != 0));
            assert_eq!(journal_end(&bytes[..valid]), Ok((valid, false)), "the valid part alone");
        }
        Err(damaged) => assert!(damaged < bytes.len()),
    }
}

/// A batch as fjall writes it: items of one keyspace without compression.
fn batch(sequence: u64, values: &[Vec<u8>]) -> Vec<u8> {
    let mut items = Vec::new();
    for value in values {
        let length = u32::try_from(value.len()).unwrap().to_le_bytes();
        items.extend_from_slice(&[2, 0, 0]);
        items.extend_from_slice(&1_u64.to_le_bytes());
        items.extend_from_slice(&1_u16.to_le_bytes());
        items.extend_from_slice(&length);
        items.extend_from_slice(&length);
        items.push(b'k');
        items.extend_from_slice(value);
    }
    let count = u32::try_from(values.len()).unwrap().to_le_bytes();
    let checksum = xxhash_rust::xxh3::xxh3_64(&items).to_le_bytes();
    [&[1][..], &count, &sequence.to_le_bytes(), &items, &[3], &checksum, b"FJL\x03"].concat()
}

/// The least that a disk loses.
const SECTOR_BYTES: usize = 512;
/// Where batch number `n` has its sequence number.
const SEQUENCE: std::ops::Range<usize> = 5..13;

pub(crate) fn journal(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mode = input.byte();
    if mode & 0x80 != 0 {
        return check_any(input.rest());
    }
    let (fault, at, bit) = (mode % 4, input.u16(), input.byte() % 8);
    let (mut sequence, mut journal, mut ends) = (u64::from(input.byte()), Vec::new(), vec![0]);
    let mut sequences = Vec::new();
    while !input.is_empty() && ends.len() < 6 {
        // No value holds the first byte of a batch: one that imitates a batch, in a torn one whose lengths are lost, cannot be told from it.
        let plain = |value: &[u8]| value.iter().map(|byte| if *byte == 1 { b'1' } else { *byte }).collect();
        let values: Vec<Vec<u8>> = (0..=input.byte() % 3).map(|_| plain(input.field())).collect();
        sequence += 1 + u64::from(input.byte() % 4);
        journal.extend(batch(sequence, &values));
        ends.push(journal.len());
        sequences.push(sequence);
    }
    if sequences.is_empty() {
        return;
    }
    check_any(&journal);
    assert_eq!(journal_end(&journal), Ok((journal.len(), false)), "whole batches");
    let at = usize::from(at) % journal.len();
    match fault {
        0 => {}
        1 => check_cut(&journal, &ends, at),
        2 => check_flip(&mut journal, &ends, &sequences, at, bit),
        _ => check_hole(&mut journal, &ends, at),
    }
}

/// Cut short, it ends where its last whole batch ends.
fn check_cut(journal: &[u8], ends: &[usize], at: usize) {
    let whole = *ends.iter().rfind(|end| **end <= at).unwrap();
    let torn = journal[whole..at].iter().any(|byte| *byte != 0);
    assert_eq!(journal_end(&journal[..at]), Ok((whole, torn)), "cut at {at}");
    check_any(&journal[..at]);
}

/// One bit changed: no batch before the last one is lost in silence, and none is taken with another sequence number.
fn check_flip(journal: &mut [u8], ends: &[usize], sequences: &[u64], at: usize, bit: u8) {
    journal[at] ^= 1 << bit;
    let which = ends.iter().filter(|end| **end <= at).count() - 1;
    let (start, last) = (ends[which], sequences.len() - 1);
    let found = journal_end(journal);
    check_any(journal);
    if SEQUENCE.contains(&(at - start)) {
        let changed = u64::from_le_bytes(journal[start + SEQUENCE.start..start + SEQUENCE.end].try_into().unwrap());
        // The highest bit is fjall's own.
        let above = i64::try_from(changed).is_ok() && (which == 0 || changed > sequences[which - 1]);
        let below = which == last || changed < sequences[which + 1];
        let order_kept = above && below;
        let expected = if order_kept { Ok((journal.len(), false)) } else { Err(if above { ends[which + 1] } else { start }) };
        assert_eq!(found, expected, "a sequence number of batch {which} changed to {changed}: {sequences:?}");
    } else if which == last && may_be_torn(journal, start, at) {
        assert!(found == Ok((start, true)) || found == Err(start), "the last batch may be torn: {found:?}");
    } else {
        assert_eq!(found, Err(start), "batch {which} of {} is damaged at {at}", sequences.len());
    }
}

/// Whether what the flip left of the last batch could be what lost sectors leave.
fn may_be_torn(journal: &[u8], start: usize, at: usize) -> bool {
    let lost_sector = journal[start..].split(|byte| *byte != 0).any(|zeros| zeros.len() >= SECTOR_BYTES);
    let sector = at - at % SECTOR_BYTES;
    let shown = &journal[sector.max(start)..(sector + SECTOR_BYTES).min(journal.len())];
    lost_sector || shown.iter().all(|byte| *byte == 0)
}

/// A sector that was not written: what it holds of the last batch is lost, and the batch is dropped. Elsewhere it is damage.
fn check_hole(journal: &mut [u8], ends: &[usize], at: usize) {
    let before = journal.to_vec();
    let (sector, last) = (at - at % SECTOR_BYTES, ends[ends.len() - 2]);
    let end = (sector + SECTOR_BYTES).min(journal.len());
    let begin = if end > last { sector.max(last) } else { sector };
    journal[begin..end].fill(0);
    check_any(journal);
    if begin >= last && *journal != before {
        let torn = journal[last..].iter().any(|byte| *byte != 0);
        assert_eq!(journal_end(journal), Ok((last, torn)), "a hole in the last batch, at {begin}..{end}");
    }
}

pub(crate) fn extents(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mode, seed) = (input.byte(), input.u16());
    let id = 1 + u128::from(input.byte());
    if mode & 1 == 0 {
        let (claimed, trailer) = (u64::from(input.u16()), input.rest());
        let _ = extent_data(id, trailer).map(|data| assert_eq!(trailer, whole_file(id, data, seed)));
        let _ = extent_trailer(id, trailer, claimed).map(|len| assert_eq!(extent_file_bytes(len), Some(claimed)));
        return;
    }
    let (at, flip) = (input.u16(), input.byte());
    let repeat = if mode & 2 == 0 { 1 } else { 64 };
    let data = input.rest().repeat(repeat);
    let mut file = whole_file(id, &data, seed);
    assert_eq!(extent_file_bytes(data.len() as u64), Some(file.len() as u64));
    assert_eq!(extent_data(id, &file).expect("as it was written"), data);
    assert!(extent_data(id + 1, &file).is_err(), "the file of another blob");
    assert!(extent_data(id, &file[1..]).is_err() && extent_data(id, &file[..file.len() - 1]).is_err(), "cut short");
    // Long files are reached from both ends: data at the front, checksums and trailer behind.
    let at = if mode & 4 == 0 { usize::from(at) % file.len() } else { file.len() - 1 - usize::from(at) % file.len() };
    if flip != 0 {
        file[at] ^= flip;
        assert!(extent_data(id, &file).is_err(), "byte {at} of {} changed", file.len());
    }
}

fn whole_file(id: u128, data: &[u8], seed: u16) -> Vec<u8> {
    let footer = extent_footer(id, pieces(data, seed));
    assert_eq!(footer, extent_footer(id, [data]), "in pieces or whole");
    [data, &footer].concat()
}
