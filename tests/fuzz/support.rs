//! Support for all targets: inputs that are made by editing known ones.
//!
//! bolero's random engine does not use coverage. Random bytes rarely get past a reader's first check;
//! nearly valid inputs get far. So each target is run twice: with bytes as they come (and with the
//! files of its corpus, as they are), and with edited files of its corpus.

use std::{fmt, fs, path::Path};

/// The largest edited input, in bytes.
const LEN_MAX: usize = 64 * 1024;

/// An input. Failures show it in readable form.
#[derive(Clone, PartialEq, Eq)]
pub struct Input(pub Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// One edit: its kind, its position, its operands.
pub type Edit = (u8, u16, u16, u8);

/// The known inputs of a target, and words that mean something to its reader.
pub struct Known {
    inputs: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Known {
    /// The corpus of a target, which is not empty.
    pub fn of(target: &str, words: &'static [&'static str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let corpus = root.join("tests/fuzz/__fuzz__").join(target).join("corpus");
        let files =
            fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let inputs: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(!inputs.is_empty(), "{} is empty", corpus.display());
        Self { inputs, words }
    }

    /// The files of the corpus, unchanged.
    pub fn inputs(&self) -> &[Vec<u8>] {
        &self.inputs
    }

    /// One of the inputs, edited.
    pub fn edited(&self, (first, edits): (u8, Vec<Edit>)) -> Input {
        let other = |which: usize| &self.inputs[which % self.inputs.len()];
        let mut bytes = other(first.into()).clone();
        // Mostly few edits: many of them leave little of a nearly valid input.
        let count = [1, 2, 3, 5, 8, 64][edits.len() % 6];
        for (change, at, what, byte) in edits.into_iter().take(count) {
            let (at, what) = (usize::from(at) % (bytes.len() + 1), usize::from(what));
            let end = (at + 1 + what % 16).min(bytes.len());
            let word = || match self.words.len() {
                0 => &[][..],
                len => self.words[what % len].as_bytes(),
            };
            match change % 9 {
                0 => bytes.insert(at, byte),
                1 => drop(bytes.splice(at..end, [byte])),
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, word().iter().copied())),
                4 => drop(bytes.splice(at..end, word().iter().copied())),
                // Repeats the bytes up to 255 times.
                5 => {
                    let again = bytes[at..end].repeat(byte.into());
                    bytes.splice(at..at, again);
                }
                // Replaces the end with that of another input.
                6 => {
                    let other = other(what);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[usize::from(byte) % (other.len() + 1)..]);
                }
                7 => {
                    if let Some(place) = bytes.get_mut(at) {
                        *place ^= 1 << (byte % 8);
                    }
                }
                // Replaces the bytes with a number at the edge of a range.
                _ => drop(bytes.splice(at..end, EDGES[what % EDGES.len()].bytes())),
            }
            if bytes.len() > LEN_MAX {
                bytes.truncate(LEN_MAX);
                break;
            }
        }
        Input(bytes)
    }
}

const EDGES: [&str; 18] = [
    "0",
    "-0",
    "-1",
    "1.0",
    "1e1",
    "0.5",
    "1e999",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "18446744073709551616",
    "999999999999.99",
    "1000000000000",
    "0.005",
    "253402300800",
    "1e-9",
    "-1e12",
    "100.0001",
];

/// Two tests of a target: `as_it_comes` and `edited`, both of which call `check` with bytes. `words` go
/// into edited inputs. Half a second each, unless bolero's variables (see scripts/fuzz) say otherwise.
macro_rules! fuzz {
    ($target:literal, $words:expr, $check:path) => {
        #[test]
        fn as_it_comes() {
            bolero::check!(name = $target)
                .with_test_time(std::time::Duration::from_millis(500))
                .for_each(|bytes: &[u8]| $check(bytes));
        }

        #[test]
        fn edited() {
            let known = fuzz_support::Known::of($target, $words);
            for input in known.inputs() {
                $check(input);
            }
            bolero::check!(name = concat!($target, "_edited"))
                .with_test_time(std::time::Duration::from_millis(500))
                .with_type::<(u8, Vec<fuzz_support::Edit>)>()
                .map(|script| known.edited(script))
                .for_each(|input| $check(&input.0));
        }
    };
}
pub(crate) use fuzz;
