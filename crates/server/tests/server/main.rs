//! The server over real sockets, with a handler of the tests in the place of S3.

mod config;
mod credentials;
mod health;
mod limits;
mod log;
mod shutdown;
mod support;
mod tls;
mod wire;
