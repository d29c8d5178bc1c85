//! What differs from language to language in the smart formats.

use chrono::Locale;

/// How long or short a date or a duration is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Style {
    /// `1/26`
    Short,
    /// `Thu, Jan 26`
    #[default]
    Medium,
    /// `January 26`
    Long,
    /// `Thursday, January 26`
    Full,
}

impl Style {
    /// Reads the option's value.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "short" => Some(Self::Short),
            "medium" => Some(Self::Medium),
            "long" => Some(Self::Long),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

/// A language we have words for, and the country that decides on names and clocks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tongue {
    /// Names of days and months.
    pub locale: Locale,
    language: Language,
    habits: Habits,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Language {
    English,
    Spanish,
    French,
    German,
}

// How numbers and clocks are written: by country rather than by language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Habits {
    twelve_hours: bool,
    day_first: bool,
    comma_decimals: bool,
}

/// What a number of seconds is split into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// 86,400 s
    Day,
    /// 3,600 s
    Hour,
    /// 60 s
    Minute,
    /// 1 s
    Second,
}

impl Default for Tongue {
    fn default() -> Self {
        Self { locale: Locale::en_US, language: Language::English, habits: habits(Language::English, "US") }
    }
}

impl Tongue {
    /// Reads `en_US`, `en-US` or `es`; `None` for a language without words here or a country that it isn't written in.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(2, ['_', '-']);
        let (language, default) = match parts.next()? {
            "en" => (Language::English, "US"),
            "es" => (Language::Spanish, "ES"),
            "fr" => (Language::French, "FR"),
            "de" => (Language::German, "DE"),
            _ => return None,
        };
        let country = parts.next().unwrap_or(default);
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let locale = Locale::try_from(format!("{}_{country}", &text[..2]).as_str()).ok()?;
        Some(Self { locale, language, habits: habits(language, country) })
    }

    /// "today" and "tomorrow".
    pub const fn near(self) -> [&'static str; 2] {
        match self.language {
            Language::English => ["today", "tomorrow"],
            Language::Spanish => ["hoy", "ma\u{f1}ana"],
            Language::French => ["aujourd'hui", "demain"],
            Language::German => ["heute", "morgen"],
        }
    }

    /// What stands between a day and an hour (`hour` is 0 to 23).
    pub const fn at(self, hour: u32) -> &'static str {
        match self.language {
            Language::English => "at",
            Language::Spanish if hour == 1 || (hour == 13 && self.habits.twelve_hours) => "a la",
            Language::Spanish => "a las",
            Language::French => "\u{e0}",
            Language::German => "um",
        }
    }

    /// The pattern (chrono's letters) for a date, with the year or without.
    pub const fn date(self, style: Style, year: bool) -> &'static str {
        let patterns = match (self.language, self.habits.day_first) {
            (Language::English, false) => ENGLISH_US,
            (Language::English, true) => ENGLISH,
            (Language::Spanish, _) if !self.habits.day_first => SPANISH_US,
            (Language::Spanish, _) => SPANISH,
            (Language::French, _) => FRENCH,
            (Language::German, _) => GERMAN,
        };
        let [with, without] = match style {
            Style::Short => patterns[0],
            Style::Medium => patterns[1],
            Style::Long => patterns[2],
            Style::Full => patterns[3],
        };
        if year { with } else { without }
    }

    /// The time of day as this place writes it: "8:58 AM", "08:58", "08:58 Uhr".
    pub fn clock(self, hour: u32, minute: u32) -> String {
        if self.habits.twelve_hours {
            let half = match (self.language, hour < 12) {
                (Language::Spanish, true) => "a. m.",
                (Language::Spanish, false) => "p. m.",
                (_, true) => "AM",
                (_, false) => "PM",
            };
            let shown = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
            return format!("{shown}:{minute:02} {half}");
        }
        let unit = if self.language == Language::German { " Uhr" } else { "" };
        format!("{hour:02}:{minute:02}{unit}")
    }

    /// Decimals after a comma and groups of three by a point (or, in French, a space), symbol behind.
    pub const fn comma_decimals(self) -> bool {
        self.habits.comma_decimals
    }

    /// What separates groups of three digits.
    pub const fn grouping(self) -> char {
        match (self.habits.comma_decimals, self.language) {
            (true, Language::French) => ' ',
            (true, _) => '.',
            (false, _) => ',',
        }
    }

    /// The word for `count` of a unit, or its abbreviation.
    pub const fn unit(self, unit: Unit, count: u64, style: Style) -> &'static str {
        let words = match self.language {
            Language::English => ENGLISH_UNITS,
            Language::Spanish => SPANISH_UNITS,
            Language::French => FRENCH_UNITS,
            Language::German => GERMAN_UNITS,
        };
        let [one, many, short] = match unit {
            Unit::Day => words[0],
            Unit::Hour => words[1],
            Unit::Minute => words[2],
            Unit::Second => words[3],
        };
        match style {
            Style::Short => short,
            _ if count == 1 => one,
            _ => many,
        }
    }
}

fn habits(language: Language, country: &str) -> Habits {
    let american = ["US", "PR"].contains(&country);
    match language {
        Language::English => Habits {
            twelve_hours: !["GB", "IE", "ZA"].contains(&country),
            day_first: !american && country != "CA" && country != "PH",
            comma_decimals: false,
        },
        Language::Spanish => {
            let northern = american || country == "MX";
            Habits { twelve_hours: northern, day_first: !american, comma_decimals: !northern }
        }
        Language::French | Language::German => {
            Habits { twelve_hours: false, day_first: true, comma_decimals: country != "CH" && country != "LI" }
        }
    }
}

// Short, medium, long, full; each with the year and without.
type Patterns = [[&'static str; 2]; 4];
const ENGLISH_US: Patterns =
    [["%-m/%-d/%Y", "%-m/%-d"], ["%a, %b %-d, %Y", "%a, %b %-d"], ["%B %-d, %Y", "%B %-d"], ["%A, %B %-d, %Y", "%A, %B %-d"]];
const ENGLISH: Patterns =
    [["%-d/%-m/%Y", "%-d/%-m"], ["%a, %-d %b %Y", "%a, %-d %b"], ["%-d %B %Y", "%-d %B"], ["%A, %-d %B %Y", "%A, %-d %B"]];
const SPANISH: Patterns = [
    ["%-d/%-m/%Y", "%-d/%-m"],
    ["%a, %-d %b %Y", "%a, %-d %b"],
    ["%-d de %B de %Y", "%-d de %B"],
    ["%A, %-d de %B de %Y", "%A, %-d de %B"],
];
const SPANISH_US: Patterns = [["%-m/%-d/%Y", "%-m/%-d"], SPANISH[1], SPANISH[2], SPANISH[3]];
const FRENCH: Patterns = [["%-d/%-m/%Y", "%-d/%-m"], ["%a %-d %b %Y", "%a %-d %b"], ["%-d %B %Y", "%-d %B"], ["%A %-d %B %Y", "%A %-d %B"]];
const GERMAN: Patterns =
    [["%-d.%-m.%Y", "%-d.%-m."], ["%a, %-d. %b %Y", "%a, %-d. %b"], ["%-d. %B %Y", "%-d. %B"], ["%A, %-d. %B %Y", "%A, %-d. %B"]];

// Day, hour, minute, second; each as one, several, abbreviated.
type Units = [[&'static str; 3]; 4];
const ENGLISH_UNITS: Units = [["day", "days", "d"], ["hour", "hours", "hr"], ["minute", "minutes", "min"], ["second", "seconds", "sec"]];
const SPANISH_UNITS: Units =
    [["d\u{ed}a", "d\u{ed}as", "d"], ["hora", "horas", "h"], ["minuto", "minutos", "min"], ["segundo", "segundos", "s"]];
const FRENCH_UNITS: Units = [["jour", "jours", "j"], ["heure", "heures", "h"], ["minute", "minutes", "min"], ["seconde", "secondes", "s"]];
const GERMAN_UNITS: Units =
    [["Tag", "Tage", "T."], ["Stunde", "Stunden", "Std."], ["Minute", "Minuten", "Min."], ["Sekunde", "Sekunden", "Sek."]];
