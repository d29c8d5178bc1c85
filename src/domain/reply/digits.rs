//! Numbers of a given length, as people write them: "123456", "123 456", "123-456".

/// The different numbers of exactly `n` digits in a folded text, and whether the text holds others of that length which may be
/// something else (part of a web address, an amount, a longer word).
pub struct Found {
    /// What reads as a code, each once, as digits.
    pub codes: Vec<String>,
    /// There are more numbers of this length, different from these.
    pub others: bool,
}

/// Looks for numbers of `n` digits.
pub fn find(text: &str, n: usize) -> Found {
    let mut codes: Vec<String> = Vec::new();
    let mut doubtful: Vec<&str> = Vec::new();
    for cluster in clusters(text).into_iter().flat_map(|it| it.loosen(text)).filter(|_| n > 0) {
        let (good, bad) = cluster.read(text, n);
        for code in good {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        doubtful.extend(bad);
    }
    let others = doubtful.iter().any(|it| !codes.iter().any(|code| code == it));
    Found { codes, others }
}

// Runs of digits with one space, hyphen or dot between.
struct Cluster {
    runs: Vec<Run>,
    // Neither part of a word, an amount, a phone number with its plus, nor of a web or mail address.
    free: bool,
}

type Run = std::ops::Range<usize>;

fn clusters(text: &str) -> Vec<Cluster> {
    let bytes = text.as_bytes();
    let mut all: Vec<Cluster> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        let joined = |it: &&mut Cluster| it.runs.last().is_some_and(|run| run.end + 1 == start && b" -.".contains(&bytes[run.end]));
        match all.last_mut().filter(joined) {
            Some(cluster) => cluster.runs.push(start..at),
            None => all.push(Cluster { runs: std::iter::once(start..at).collect(), free: true }),
        }
    }
    all
}

impl Cluster {
    // What reads as a code, and what has its length but doesn't.
    fn read<'a>(&self, text: &'a str, n: usize) -> (Vec<String>, Vec<&'a str>) {
        let exact = || self.runs.iter().filter(|run| run.len() == n).map(|run| &text[run.start..run.end]);
        if !self.free {
            return (Vec::new(), exact().collect());
        }
        if let Some(codes) = self.split(text, n) {
            return (codes, Vec::new());
        }
        // Beside other numbers: only where spaces set it apart, so not inside a phone number.
        let bytes = text.as_bytes();
        let spaced = |run: &Run| {
            let before = run.start == self.start() || bytes[run.start - 1] == b' ';
            before && (run.end == self.end() || bytes[run.end] == b' ')
        };
        let (good, bad): (Vec<_>, Vec<_>) = self.runs.iter().filter(|run| run.len() == n).partition(|run| spaced(run));
        (good.into_iter().map(|run| text[run.clone()].to_owned()).collect(), bad.into_iter().map(|run| &text[run.clone()]).collect())
    }

    fn start(&self) -> usize {
        self.runs[0].start
    }

    fn end(&self) -> usize {
        self.runs[self.runs.len() - 1].end
    }

    // The whole of it as codes of `n` digits, one after another; `None` when it can't be split so.
    fn split(&self, text: &str, n: usize) -> Option<Vec<String>> {
        let (mut codes, mut from) = (Vec::new(), 0);
        while from < self.runs.len() {
            let mut to = from;
            let mut digits = 0;
            while digits < n && to < self.runs.len() {
                digits += self.runs[to].len();
                to += 1;
            }
            let group = &self.runs[from..to];
            if digits != n || !is_grouped(text, group) {
                return None;
            }
            codes.push(group.iter().map(|run| &text[run.clone()]).collect());
            from = to;
        }
        Some(codes)
    }

    // Sets apart, at a space, the first and the last runs where they belong to something else: "$5 123456", "123456 1/2".
    fn loosen(mut self, text: &str) -> Vec<Self> {
        let spaced = |pair: &[Run]| text.as_bytes()[pair[0].end] == b' ';
        let mut all = Vec::with_capacity(1);
        if text[..self.start()].ends_with('+') {
            self.free = false;
            return vec![self];
        }
        if !left_free(&text[..self.start()]) {
            let cut = self.runs.windows(2).position(spaced).map_or(self.runs.len(), |at| at + 1);
            let rest = self.runs.split_off(cut);
            all.push(Self { runs: std::mem::replace(&mut self.runs, rest), free: false });
        }
        if !self.runs.is_empty() && !right_free(&text[self.end()..]) {
            let cut = self.runs.windows(2).rposition(spaced).map_or(0, |at| at + 1);
            all.push(Self { runs: self.runs.split_off(cut), free: false });
        }
        if !self.runs.is_empty() {
            all.push(self);
        }
        all
    }
}

fn left_free(before: &str) -> bool {
    let word = &before[before.trim_end_matches(char::is_alphabetic).len()..];
    let token = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let glued = !word.is_empty() && !LABELS.contains(&word.to_lowercase().as_str());
    let prefixed = before.ends_with(['$', '\u{20ac}', '\u{a3}', '\u{a5}', '/', '=', '_'])
        || before.strip_suffix(',').is_some_and(|it| it.ends_with(|c: char| c.is_ascii_digit()));
    !glued && !prefixed && !token.contains("www.") && !token.contains('/')
}

fn right_free(after: &str) -> bool {
    let tail = after.split(char::is_whitespace).next().unwrap_or_default();
    !after.starts_with(|c: char| c.is_alphabetic() || "_/%=\u{20ac}$".contains(c)) && !tail.contains('@') && !decimals(after)
}

const LABELS: [&str; 8] = ["code", "pin", "otp", "is", "passcode", "password", "number", "no"];

// ",50" after a number makes it an amount, ":30" a time.
fn decimals(after: &str) -> bool {
    let mut chars = after.chars();
    matches!(chars.next(), Some(',' | ':')) && chars.next().is_some_and(|c| c.is_ascii_digit())
}

// Groups as people make them: alike in size (or nearly), by one kind of separator, and no date.
fn is_grouped(text: &str, group: &[Run]) -> bool {
    if group.len() == 1 {
        return true;
    }
    let bytes = text.as_bytes();
    let sizes = || group.iter().map(std::iter::ExactSizeIterator::len);
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    let separator = bytes[group[0].end];
    let one_kind = group.windows(2).all(|pair| bytes[pair[0].end] == separator);
    let even = least == most || (least >= 2 && most - least <= 1 && separator != b'.');
    one_kind && even && !(separator != b' ' && is_date(text, group))
}

// 11-21-26, 21.11.2026, 2026-11-21.
fn is_date(text: &str, group: &[Run]) -> bool {
    let [a, b, c] = group else { return false };
    let number = |run: &Run| text[run.clone()].parse::<u32>().unwrap_or(0);
    let (a, b, c) = (number(a), number(b), number(c));
    let pair = |x: u32, y: u32| (1..=12).contains(&x) && (1..=31).contains(&y);
    pair(a, b) || pair(b, a) || pair(b, c)
}
