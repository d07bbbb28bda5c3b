//! SigV4 with a key that is derived once: a few hashes a request.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

#[derive(Clone)]
pub struct Signer {
    access_key: String,
    scope: String,
    key: Vec<u8>,
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Signer {
    pub fn from_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
        let date = &timestamp()[..8];
        let secret = format!("AWS4{}", variable("AWS_SECRET_ACCESS_KEY")?);
        let key = [date, &region, "s3", "aws4_request"].iter().fold(secret.into_bytes(), |key, part| hmac(&key, part));
        Ok(Self { access_key: variable("AWS_ACCESS_KEY_ID")?, scope: format!("{date}/{region}/s3/aws4_request"), key })
    }

    /// The head of a signed request. `query` is canonical already; `headers` are in lower case, in order, and all signed.
    pub fn head(
        &self,
        method: &str,
        host: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        payload: &str,
        length: usize,
    ) -> String {
        let stamp = timestamp();
        let mut all = vec![("host", host), ("x-amz-content-sha256", payload), ("x-amz-date", stamp.as_str())];
        all.extend_from_slice(headers);
        all.sort_unstable();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{}\n{}", self.scope, sha256_hex(canonical.as_bytes()));
        let signature = hex::encode(hmac(&self.key, &to_sign));
        let question = if query.is_empty() { "" } else { "?" };
        let sent: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!(
            "{method} {path}{question}{query} HTTP/1.1\r\n{sent}content-length: {length}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={}/{}, SignedHeaders={names}, Signature={signature}\r\n\r\n",
            self.access_key, self.scope
        )
    }
}

/// Now, as `20260102T030405Z`.
fn timestamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = civil_date(now / 86_400);
    let second = now % 86_400;
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant's `civil_from_days`).
fn civil_date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}
