//! Dates and times as a person reads them.

use super::words::{Style, Tongue};
use super::zone::Zone;
use chrono::format::Numeric::{Day, Hour, Minute, Month, Second, Year};
use chrono::format::{Fixed, Item, Numeric, Pad, Parsed, parse};
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

// Extended and basic forms; `T`, `t` or a space between date and time; a fraction after a point or a comma.
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
    let form: &[Item<'_>] = match text.len() {
        10 => &[number(Year), DASH, number(Month), DASH, number(Day)],
        8 => &[number(Year), number(Month), number(Day)],
        _ => return None,
    };
    text.bytes().next().filter(u8::is_ascii_digit)?;
    parsed(text, form)?.to_naive_date().ok()
}

fn read_clock(text: &str) -> Option<NaiveTime> {
    let text = text.replace(',', ".");
    let form: &[Item<'_>] = match text.split('.').next().unwrap_or_default().len() {
        8 => &[number(Hour), COLON, number(Minute), COLON, number(Second), FRACTION],
        6 => &[number(Hour), number(Minute), number(Second), FRACTION],
        5 => &[number(Hour), COLON, number(Minute)],
        4 => &[number(Hour), number(Minute)],
        _ => return None,
    };
    parsed(&text, form)?.to_naive_time().ok()
}

// Forms in chrono's own terms: a pattern in letters would be read anew for each value.
const DASH: Item<'_> = Item::Literal("-");
const COLON: Item<'_> = Item::Literal(":");
const FRACTION: Item<'_> = Item::Fixed(Fixed::Nanosecond);

const fn number(of: Numeric) -> Item<'static> {
    Item::Numeric(of, Pad::Zero)
}

fn parsed(text: &str, form: &[Item<'_>]) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, form.iter()).ok().map(|()| parsed)
}

fn split_offset(clock: &str) -> Option<(&str, FixedOffset)> {
    if let Some(rest) = clock.strip_suffix(['Z', 'z']) {
        return Some((rest, Utc.fix()));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, Utc.fix()));
    };
    let (clock, offset) = clock.split_at(at);
    let digits = offset[1..].replacen(':', "", 1);
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits.get(2..).filter(|it| !it.is_empty()).map_or(Some(0), |it| it.parse().ok())?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    Some((clock, FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))?))
}
