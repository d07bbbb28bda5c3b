//! Request and response documents of S3.
//!
//! Requests are read under strict bounds and without recursion: size, depth, counts, no DOCTYPE, no entities of their own.
//! Responses are written into one `String` by a writer that escapes everything it is given.

mod read;
mod requests;
mod responses;
mod write;

pub use requests::*;
pub use responses::*;
pub use write::XmlWriter;
