//! GetObjectAttributes.

use holdfast_model::{Checksum, ReadConditions};
use holdfast_objects::{ObjectHead, OpenObject};

use super::render;
use crate::{
    headers::wanted_attributes,
    listing::attributes_parts,
    service::{Answer, Call},
    xml::{ChecksumFields, GetObjectAttributesResult, ObjectParts},
};

pub(super) async fn get_object_attributes(call: &mut Call<'_>) -> Answer {
    let wanted = wanted_attributes(call.headers)?;
    let page = attributes_parts(call.headers)?;
    let open = call.objects().open(call.bucket()?, call.key()?, &ReadConditions::default()).await.map_err(|e| call.refused(e))?;
    let object = open.head();
    let result = GetObjectAttributesResult {
        etag: wanted.etag.then_some(&object.current.etag),
        checksum: object.checksum.as_ref().filter(|_| wanted.checksum).map(|stored| render::checksum_fields(stored, object.parts)),
        object_parts: object
            .parts
            .filter(|_| wanted.object_parts)
            .map(|total| parts(&open, total, page.part_number_marker, page.max_parts)),
        storage_class: wanted.storage_class.then_some("STANDARD"),
        object_size: wanted.object_size.then_some(object.current.size),
    };
    let mut response = render::document(result.xml());
    let headers = response.headers_mut();
    render::set_last_modified(headers, object.current.last_modified);
    render::set_generation(headers, object.current.generation);
    Ok(response)
}

fn parts(open: &OpenObject, total: u16, marker: u16, max: usize) -> ObjectParts {
    let page = open.parts(marker, max);
    let last = page.parts.last().map_or(marker, |part| part.number.get());
    let entry = |part: holdfast_objects::PartInfo| (part.number, part.size, part_checksum(open.head(), &part.checksum));
    ObjectParts {
        total_parts_count: u64::from(total),
        part_number_marker: marker,
        next_part_number_marker: last,
        max_parts: max,
        is_truncated: page.truncated,
        parts: page.parts.into_iter().map(entry).collect(),
    }
}

fn part_checksum(object: &ObjectHead, value: &[u8]) -> Option<ChecksumFields> {
    let algorithm = object.checksum.as_ref()?.checksum.algorithm();
    Some(ChecksumFields::plain(Checksum::new(algorithm, value).ok()?, None))
}
