//! Who sent this request: AWS Signature Version 4.
