//! What is wrong with a registration file, and where: collected, so that all of it is told at once.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;

/// Something wrong (or, as a warning, doubtful) at one place of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: PathBuf,
    /// 1-based; 0 when it concerns the file as a whole.
    pub line: usize,
    /// 1-based, in characters; 0 when it concerns the file as a whole.
    pub column: usize,
    /// What is wrong; what would be right. Never a secret, never a whole address.
    pub message: String,
}

/// `file:line:column: message`, as editors and compilers have it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            _ => write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message),
        }
    }
}

/// A place in one of the files being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the file.
    pub file: usize,
    /// Bytes from its beginning.
    pub offset: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct At<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// More problems than this are counted, not kept: a broken file of a million lines costs no memory.
const MOST: usize = 200;

/// Collects problems and warnings while files are read.
pub(super) struct Report<'a> {
    files: &'a [(PathBuf, String)],
    problems: RefCell<Found>,
    warnings: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    kept: Vec<(Place, String)>,
    all: usize,
}

impl<'a> Report<'a> {
    /// A report on these files.
    pub fn on(files: &'a [(PathBuf, String)]) -> Self {
        Self { files, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// The files.
    pub fn files(&self) -> &'a [(PathBuf, String)] {
        self.files
    }

    /// Something is wrong.
    pub fn wrong(&self, place: Place, message: impl Into<String>) {
        self.problems.borrow_mut().add(place, message.into());
    }

    /// How much is wrong so far.
    pub fn count(&self) -> usize {
        self.problems.borrow().all
    }

    /// Something is doubtful.
    pub fn doubt(&self, place: Place, message: impl Into<String>) {
        self.warnings.borrow_mut().add(place, message.into());
    }

    /// `Ok` with the warnings when nothing is wrong, else all that is wrong; both in the order of the files.
    pub fn finish(self) -> Result<Vec<Problem>, Vec<Problem>> {
        let problems = self.problems.take();
        match problems.all {
            0 => Ok(self.tell(self.warnings.take())),
            _ => Err(self.tell(problems)),
        }
    }

    fn tell(&self, mut found: Found) -> Vec<Problem> {
        found.kept.sort_by_key(|(place, _)| *place);
        let rest = found.all - found.kept.len();
        let mut told: Vec<_> = found.kept.into_iter().map(|(place, message)| self.problem(place, message)).collect();
        if let (Some(last), 1..) = (told.last().cloned(), rest) {
            told.push(Problem { message: format!("and {rest} more; correct these first"), ..last });
        }
        told
    }

    fn problem(&self, place: Place, message: String) -> Problem {
        let (path, text) = &self.files[place.file];
        let before = text.get(..place.offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Problem {
            file: path.clone(),
            line: before.bytes().filter(|it| *it == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}

impl Found {
    fn add(&mut self, place: Place, message: String) {
        self.all += 1;
        if self.kept.len() < MOST {
            self.kept.push((place, message));
        }
    }
}
