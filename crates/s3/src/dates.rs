//! Dates as HTTP and S3 write them: IMF-fixdate, RFC 850 and asctime are read (RFC 9110 section 5.6.7), IMF-fixdate and
//! ISO 8601 with milliseconds are written. Dates before 1970 are read as 1970: nothing stored is older.

use holdfast_model::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const DAY_SECS: i64 = 86_400;

/// Reads an HTTP date in any of its three forms. The name of the day is not compared with the date.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim_matches([' ', '\t']);
    let fields: Vec<&str> = text.split(' ').filter(|f| !f.is_empty()).take(8).collect();
    let (day, month, year, time) = match fields[..] {
        [name, day, month, year, time, "GMT" | "UTC" | "+0000"] if name.ends_with(',') => (day, month, four_digits(year)?, time),
        [name, date, time, "GMT"] if name.ends_with(',') => {
            let (day, rest) = date.split_once('-')?;
            let (month, year) = rest.split_once('-')?;
            (day, month, two_digit_year(year)?, time)
        }
        [_, month, day, time, year] => (day, month, four_digits(year)?, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    let day = short_number(day, 2)?;
    let mut clock = time.splitn(3, ':').map(|part| short_number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let month = i64::try_from(month).ok()? + 1;
    if !(1..=days_of_month(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let secs = days_from_civil(year, month, day) * DAY_SECS + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_secs(u64::try_from(secs).unwrap_or(0)))
}

/// Reads an ISO 8601 instant with its offset, such as `2026-11-22T10:00:00.123Z`.
pub fn parse_iso8601(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.trim().parse().ok()?;
    Some(Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap_or(0)))
}

/// Reads either form, as S3 takes them in documents and in its own headers.
pub fn parse_either(text: &str) -> Option<Timestamp> {
    parse_http_date(text).or_else(|| parse_iso8601(text))
}

/// IMF-fixdate, as `Last-Modified` has it.
pub fn http_date(at: Timestamp) -> String {
    let civil = Civil::of(at);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        civil.weekday,
        civil.day,
        MONTHS[civil.month - 1],
        civil.year,
        civil.hour,
        civil.minute,
        civil.second
    )
}

/// ISO 8601 with milliseconds, as documents have it.
pub fn iso8601(at: Timestamp) -> String {
    let mut out = String::with_capacity(24);
    write_iso8601(&mut out, at);
    out
}

/// Appends [`iso8601`] to `out`. A page of a listing has a thousand of these, so the digits are written by hand.
pub(crate) fn write_iso8601(out: &mut String, at: Timestamp) {
    let civil = Civil::of(at);
    push_digits(out, civil.year, 4);
    for (before, number) in
        [('-', i64::try_from(civil.month).unwrap_or(1)), ('-', civil.day), ('T', civil.hour), (':', civil.minute), (':', civil.second)]
    {
        out.push(before);
        push_digits(out, number, 2);
    }
    out.push('.');
    push_digits(out, i64::try_from(at.millis() % 1000).unwrap_or(0), 3);
    out.push('Z');
}

/// Appends at least `width` digits of a number that is not negative.
fn push_digits(out: &mut String, number: i64, width: u32) {
    let mut unit = 10_i64.pow(width - 1);
    while number / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        out.push(char::from(b'0' + u8::try_from(number / unit % 10).unwrap_or(0)));
        unit /= 10;
    }
}

struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: &'static str,
}

impl Civil {
    fn of(at: Timestamp) -> Self {
        let secs = i64::try_from(at.secs()).unwrap_or(i64::MAX);
        let (days, rest) = (secs / DAY_SECS, secs % DAY_SECS);
        let (year, month, day) = civil_from_days(days);
        let weekday = WEEKDAYS[usize::try_from(days % 7).unwrap_or(0)];
        Self { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, weekday }
    }
}

fn short_number(text: &str, length_max: usize) -> Option<i64> {
    if text.is_empty() || text.len() > length_max || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn four_digits(text: &str) -> Option<i64> {
    (text.len() == 4).then(|| short_number(text, 4)).flatten()
}

/// RFC 850 years: this century up to 69, the last one from 70, as POSIX reads them.
fn two_digit_year(text: &str) -> Option<i64> {
    let year = (text.len() == 2).then(|| short_number(text, 2)).flatten()?;
    Some(if year < 70 { 2000 + year } else { 1900 + year })
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_http_dates_are_read() {
        let rfc_example = Some(784_111_777);
        for (text, secs) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", rfc_example),
            ("Sunday, 06-Nov-94 08:49:37 GMT", rfc_example),
            ("Sun Nov  6 08:49:37 1994", rfc_example),
            ("Sunday, 22-Nov-26 10:00:00 GMT", Some(1_795_341_600)),
            ("  Sun, 06 Nov 1994 08:49:37 GMT ", rfc_example),
            ("Sun, 06 Nov 1994 08:49:37 UTC", rfc_example),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 01 Jan 1960 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_200)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Wed, 29 Feb 2023 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 6 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("1994-11-06T08:49:37Z", None),
            ("784111777", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(parse_http_date(text).map(Timestamp::secs), secs, "{text}");
        }
    }

    #[test]
    fn iso_instants_are_read_with_their_offset() {
        for (text, millis) in [
            ("1994-11-06T08:49:37Z", Some(784_111_777_000)),
            ("1994-11-06T08:49:37.123Z", Some(784_111_777_123)),
            ("1994-11-06T09:49:37+01:00", Some(784_111_777_000)),
            ("1960-01-01T00:00:00Z", Some(0)),
            ("1994-11-06", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_iso8601(text).map(Timestamp::millis), millis, "{text}");
        }
    }

    #[test]
    fn written_dates_are_read_back() {
        assert_eq!(http_date(Timestamp::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso8601(Timestamp::from_millis(784_111_777_045)), "1994-11-06T08:49:37.045Z");
        let mut secs = 0_u64;
        while secs < 8_000_000_000 {
            let at = Timestamp::from_millis(secs * 1000 + 7);
            assert_eq!(parse_http_date(&http_date(at)), Some(Timestamp::from_secs(secs)));
            assert_eq!(parse_iso8601(&iso8601(at)), Some(at));
            secs += 987_654;
        }
    }
}
