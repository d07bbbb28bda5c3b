//! Records as they stand on the disk: any bytes decode or are damaged; what decodes is written and read again unchanged.

use std::fmt::Debug;

use bytes::Bytes;
use holdfast_model::ObjectKey;
use holdfast_objects::records::{
    BucketId, BucketRecord, Damaged, GarbageRecord, ManifestRecord, ObjectRecord, PartRecord, ReplayRecord, ShareRecord, UploadRecord,
    bucket_name_of, object_key, object_key_text, part_number_of, upload_id_bytes, upload_key, upload_key_parts,
};

use crate::input::Input;

pub(crate) fn records(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let which = input.byte();
    let record = input.rest();
    match which % 9 {
        0 => stable(record, BucketRecord::decode, BucketRecord::encode),
        1 => stable(record, ObjectRecord::decode, ObjectRecord::encode),
        2 => stable(record, UploadRecord::decode, UploadRecord::encode),
        3 => stable(record, PartRecord::decode, PartRecord::encode),
        4 => stable(record, ManifestRecord::decode, ManifestRecord::encode),
        5 => stable(record, ShareRecord::decode, |share| share.encode()),
        6 => stable(record, GarbageRecord::decode, GarbageRecord::encode),
        7 => stable(record, ReplayRecord::decode, ReplayRecord::encode),
        _ => keys(record),
    }
}

fn stable<T: Debug + PartialEq>(bytes: &[u8], decode: fn(&[u8]) -> Result<T, Damaged>, encode: impl Fn(&T) -> Bytes) {
    let Ok(read) = decode(bytes) else { return };
    let written = encode(&read);
    assert!(!written.is_empty(), "a record is never empty");
    let again = decode(&written).expect("what was written");
    assert_eq!(again, read);
    assert_eq!(encode(&again), written);
    assert!(decode(&[&written[..], &[0]].concat()).is_err(), "a record ends where it ends");
    for cut in 0..written.len().min(64) {
        assert!(decode(&written[..cut]).is_err(), "a record that is cut short is damaged");
    }
}

fn keys(key: &[u8]) {
    let _ = part_number_of(key);
    if let Ok(name) = bucket_name_of(key) {
        assert_eq!(name.as_str().as_bytes(), key);
    }
    let id = key.get(..8).map_or(0, |id| u64::from_be_bytes(id.try_into().unwrap()));
    if let Ok(text) = object_key_text(key)
        && let Ok(object) = ObjectKey::parse(text)
    {
        assert_eq!(object_key(BucketId(id), &object).bytes, key);
    }
    if let Ok((text, upload)) = upload_key_parts(key)
        && let Ok(object) = ObjectKey::parse(&text)
    {
        assert_eq!(upload_key(BucketId(id), &object, upload_id_bytes(&upload).expect("an id of ours")).bytes, key, "{text:?}");
    }
}
