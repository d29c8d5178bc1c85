//! Dates and times as a person reads them.

use super::words::{Style, Tongue};
use super::zone::Zone;
use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, Timelike, Utc};

/// Which part of a point in time is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// "today at 8:58 AM"
    Both,
    /// "today"
    Date,
    /// "8:58 AM"
    Time,
}

/// How it is shown.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct When {
    /// Which part.
    pub part: Part,
    /// `tz`: a place that goes before the recipient's.
    pub zone: Option<chrono_tz::Tz>,
    /// `style`
    pub style: Style,
    /// `locale`
    pub tongue: Tongue,
}

impl When {
    /// Reads `value` (ISO 8601; without an offset it is UTC) and writes it for a person in `zone`. `None` when it can't be read.
    pub fn show(&self, value: &str, now: DateTime<Utc>, zone: Zone) -> Option<String> {
        let zone = self.zone.map_or(zone, Zone::Named);
        let today = zone.local(now).0.date_naive();
        let (local, abbreviation) = match read(value)? {
            // A date alone is a day of the calendar, not a moment: it is shown as it is, wherever the recipient may be.
            Moment::Day(day) if self.part == Part::Date => return Some(self.day(day, today)),
            Moment::Day(_) => return None,
            Moment::At(at) => zone.local(at),
        };
        let day = || self.day(local.date_naive(), today);
        let time = || {
            let clock = self.tongue.clock(local.hour(), local.minute());
            abbreviation.as_ref().map_or_else(|| clock.clone(), |it| format!("{clock} {it}"))
        };
        Some(match self.part {
            Part::Both => format!("{} {} {}", day(), self.tongue.at(local.hour()), time()),
            Part::Date => day(),
            Part::Time => time(),
        })
    }

    /// Whether `value` can be read.
    pub fn reads(&self, value: &str) -> bool {
        match read(value) {
            Some(Moment::Day(_)) => self.part == Part::Date,
            Some(Moment::At(_)) => true,
            None => false,
        }
    }

    fn day(&self, day: NaiveDate, today: NaiveDate) -> String {
        let [this, next] = self.tongue.near();
        if day == today {
            this.to_owned()
        } else if Some(day) == today.checked_add_days(Days::new(1)) {
            next.to_owned()
        } else {
            day.format_localized(self.tongue.date(self.style, day.year() != today.year()), self.tongue.locale).to_string()
        }
    }
}

enum Moment {
    At(DateTime<Utc>),
    Day(NaiveDate),
}

// Extended and basic forms; `T`, `t` or a space between date and time; a fraction after a point or a comma. Digits at their places,
// and no others: chrono's own reading of a form takes white space and signs before a number, and ten times as long.
fn read(value: &str) -> Option<Moment> {
    let value = value.trim();
    if value.len() > 40 || !value.is_ascii() {
        return None;
    }
    let Some((date, clock)) = value.split_once(['T', 't', ' ']) else {
        return Some(Moment::Day(read_date(value)?));
    };
    let (clock, offset) = split_offset(clock)?;
    let local = NaiveDateTime::new(read_date(date)?, read_clock(clock)?);
    Some(Moment::At(local.and_local_timezone(offset).single()?.with_timezone(&Utc)))
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = match text.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => [&text[..4], &text[5..7], &text[8..]],
        [_, _, _, _, _, _, _, _] => [&text[..4], &text[4..6], &text[6..]],
        _ => return None,
    };
    NaiveDate::from_ymd_opt(i32::try_from(number(year)?).ok()?, number(month)?, number(day)?)
}

fn read_clock(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once(['.', ',']).map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let [hour, minute, second] = match whole.as_bytes() {
        [_, _, b':', _, _, b':', _, _] => [&whole[..2], &whole[3..5], &whole[6..]],
        [_, _, _, _, _, _] => [&whole[..2], &whole[2..4], &whole[4..]],
        [_, _, b':', _, _] if fraction.is_none() => [&whole[..2], &whole[3..], "0"],
        [_, _, _, _] if fraction.is_none() => [&whole[..2], &whole[2..], "0"],
        _ => return None,
    };
    let nanoseconds = fraction.map_or(Some(0), nanoseconds)?;
    // A leap second is the one before it, and longer: so chrono has it.
    let (second, nanoseconds) = match number(second)? {
        60 => (59, 1_000_000_000 + nanoseconds),
        second => (second, nanoseconds),
    };
    NaiveTime::from_hms_nano_opt(number(hour)?, number(minute)?, second, nanoseconds)
}

// What is beyond a nanosecond is cut off.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let shown = &fraction[..fraction.len().min(9)];
    let all = fraction.bytes().all(|it| it.is_ascii_digit());
    number(shown).filter(|_| all).map(|it| it * 10_u32.pow(9 - shown.len() as u32))
}

// At least one digit, and nothing but digits; nine at most.
fn number(text: &str) -> Option<u32> {
    let add = |sum: u32, digit: u8| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'));
    (1..=9).contains(&text.len()).then(|| text.bytes().try_fold(0, add)).flatten()
}

fn split_offset(clock: &str) -> Option<(&str, FixedOffset)> {
    if let Some(rest) = clock.strip_suffix(['Z', 'z']) {
        return Some((rest, Utc.fix()));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, Utc.fix()));
    };
    let (clock, offset) = clock.split_at(at);
    let [hours, minutes] = match offset.as_bytes() {
        [_, _, _] => [&offset[1..], "0"],
        [_, _, _, _, _] => [&offset[1..3], &offset[3..]],
        [_, _, _, b':', _, _] => [&offset[1..3], &offset[4..]],
        _ => return None,
    };
    let (hours, minutes) = (number(hours).filter(|it| *it <= 14)?, number(minutes).filter(|it| *it <= 59)?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((clock, FixedOffset::east_opt(if offset.starts_with('-') { -seconds } else { seconds })?))
}
