//! RenameObject: an object gets another key, in one step.

use holdfast_model::{ObjectKey, SourceConditions, WriteConditions};

use crate::{
    Arrived, Caller, Objects, ObjectsError, WriteOperation, Written, answer,
    commit::{Change, Intent, RenameChange},
    digest::{fingerprint, md5_of},
};

/// A rename that has passed the early check.
pub struct RenameRequest {
    /// The destination, from [`Objects::observe`].
    pub arrived: Arrived,
    /// What must hold for the destination.
    pub conditions: WriteConditions,
    /// The ways to read the source's name, at least one; the first that names an object is meant.
    pub sources: Vec<ObjectKey>,
    /// What must hold for the source.
    pub source_conditions: SourceConditions,
    /// `x-amz-client-token`.
    pub token: Option<String>,
    /// Who asks.
    pub caller: Caller,
}

impl Objects {
    /// Renames an object: at every instant exactly one of the two keys shows it.
    ///
    /// # Errors
    /// [`ObjectsError::NoSuchBucket`], [`ObjectsError::NoSuchSource`], [`ObjectsError::SelfRename`], [`ObjectsError::SourcePrecondition`],
    /// [`ObjectsError::Write`], [`ObjectsError::TokenMismatch`], or a store error.
    pub async fn rename(&self, request: RenameRequest) -> Result<Written, ObjectsError> {
        let Arrived { place, arrival } = request.arrived;
        let names: Vec<&[u8]> = request.sources.iter().map(ObjectKey::as_bytes).collect();
        let token = request.token.as_ref().map(|token| {
            let conditions = format!("{:?} {:?}", request.conditions, request.source_conditions);
            let mut parameters = vec![place.bucket.as_str().as_bytes(), place.key.as_bytes(), conditions.as_bytes()];
            parameters.extend(&names);
            (fingerprint([request.caller.principal.as_bytes(), token.as_bytes()]), fingerprint(parameters))
        });
        let mark = request.caller.mark(WriteOperation::Rename, md5_of(names.iter().copied()));
        let change = Change::Rename(RenameChange { sources: request.sources, conditions: request.source_conditions, token });
        let intent = Intent { target: place, conditions: request.conditions, arrival, now: self.clock.now(), mark, change };
        self.commit(intent, &mut None).await?.or_else(answer)
    }
}
