//! The sources of settings, and the report about a setting that can't be used: its name, its place, and
//! what it should be.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use config::{Config as Sources, ConfigError, Value, ValueKind};
use secrecy::{ExposeSecret, SecretString};
use toml::de::{DeTable, DeValue};

use super::{ENV_PREFIX, Error};

/// The likeness (0 to 1) from which a name is taken for another one misspelt.
const ALIKE: f64 = 0.7;
/// The longest secret or URL that is read from a file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Settings that were renamed: the old name, the new one, the reason.
const RENAMED: [(&str, &str, &str); 1] = [(
    "database.connections_per_worker",
    "database.pool_per_worker",
    "http.connections_per_worker is about clients",
)];

/// A setting, read off the defaults: `SPLITCART_HTTP_ADDR`, `http.addr`.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) variable: String,
    pub(super) key: String,
    default: ValueKind,
}

impl Setting {
    /// The value in a variable's text; a list is separated by commas.
    pub(super) fn value_of(&self, text: String) -> ValueKind {
        if !matches!(self.default, ValueKind::Array(_)) {
            return text.into();
        }
        let parts = text.split(',').map(str::trim);
        let filled: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        filled.into()
    }
}

/// All settings, with their defaults.
pub(super) fn settings(defaults: &Sources) -> Vec<Setting> {
    fn walk(path: &str, value: &Value, settings: &mut Vec<Setting>) {
        if let ValueKind::Table(table) = &value.kind {
            for (key, value) in table {
                walk(&join(path, key), value, settings);
            }
        } else {
            settings.push(Setting {
                variable: variable_of(path),
                key: path.to_owned(),
                default: value.kind.clone(),
            });
        }
    }
    let mut settings = Vec::new();
    walk("", &defaults.cache, &mut settings);
    settings
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// `http.addr` is `SPLITCART_HTTP_ADDR`.
pub(super) fn variable_of(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// A configuration file that is TOML and names only known settings. It is checked here, because a parser's
/// error quotes the line that it is about, and the line may contain a secret.
#[derive(Debug)]
pub(super) struct SettingsFile {
    path: PathBuf,
    pub(super) text: String,
    /// The line of every key.
    lines: Vec<(String, usize)>,
}

impl SettingsFile {
    /// Reads and checks a file.
    pub(super) fn read(path: &Path, settings: &[Setting]) -> Result<Self, Error> {
        let unusable = |problem: String| Error::File {
            path: path.to_owned(),
            problem,
        };
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = line_of(&text, &error.span().unwrap_or_default());
            unusable(format!("line {line} is not TOML: {}", error.message()))
        })?;
        let mut lines = Vec::new();
        walk("", table.get_ref(), &text, &mut lines);
        for (key, line) in &lines {
            if settings.iter().all(|setting| setting.key != *key) {
                let known = settings.iter().map(|setting| setting.key.as_str());
                return Err(unusable(format!("line {line}: {}", unknown(key, known))));
            }
        }
        let path = path.to_owned();
        Ok(Self { path, text, lines })
    }

    /// The line of a key, for an error.
    fn place_of(&self, key: &str) -> Option<String> {
        let (_, line) = self.lines.iter().find(|(known, _)| known == key)?;
        Some(format!("line {line} of {}", self.path.display()))
    }
}

fn walk(path: &str, table: &DeTable<'_>, text: &str, lines: &mut Vec<(String, usize)>) {
    for (key, value) in table {
        let path = join(path, key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => walk(&path, table, text, lines),
            _ => lines.push((path, line_of(text, &key.span()))),
        }
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).unwrap_or("").matches('\n').count() + 1
}

/// The error about a variable with our prefix that names no setting.
pub(super) fn unknown_variable(variable: String, settings: &[Setting]) -> Error {
    let known = settings.iter().map(|setting| setting.variable.as_str());
    let renamed = RENAMED
        .iter()
        .find(|(old, ..)| variable_of(old) == variable);
    let hint = match renamed {
        Some((_, new, why)) => format!("it is now called {} ({why})", variable_of(new)),
        None => alike(&variable, known),
    };
    Error::UnknownVariable {
        name: variable,
        hint,
    }
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    match RENAMED.iter().find(|(old, ..)| *old == key) {
        Some((old, new, why)) => format!("{old} is now called {new} ({why})"),
        None => format!("there is no setting {key}; {}", alike(key, known)),
    }
}

/// The name that was probably meant.
fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let bare = |name: &str| name.trim_start_matches(ENV_PREFIX).to_owned();
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(&bare(name), &bare(other));
    let best = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best.filter(|best| likeness(best) >= ALIKE) {
        Some(best) => format!("did you mean {best}?"),
        None => "all settings are listed in config/default.toml".to_owned(),
    }
}

/// The error about a value that can't be used: the setting, the problem, its place.
pub(super) fn unusable_value(
    error: &ConfigError,
    file: Option<&SettingsFile>,
    variables: &[String],
) -> Error {
    let Some((key, problem)) = taken_apart(error) else {
        return Error::Value(format!("the configuration can't be used: {error}"));
    };
    let variable = variable_of(&key);
    let place = if variables.contains(&variable) {
        variable
    } else {
        let place = file.and_then(|file| file.place_of(&key));
        place.unwrap_or_else(|| "in the configuration".to_owned())
    };
    // Some problems begin with the name of their setting.
    let subject = if problem.starts_with(&key) {
        String::new()
    } else {
        format!("{key}: ")
    };
    let hint = if problem.contains("socket address") {
        "; it must be an address with a port, such as 127.0.0.1:8080 or 0.0.0.0:80 (a name such as \
         localhost is not looked up)"
    } else {
        ""
    };
    Error::Value(format!("{subject}{problem}{hint} ({place})"))
}

fn taken_apart(error: &ConfigError) -> Option<(String, String)> {
    match error {
        ConfigError::Type {
            unexpected,
            expected,
            key: Some(key),
            ..
        } => Some((key.clone(), format!("it is {unexpected}, not {expected}"))),
        ConfigError::At {
            error,
            key: Some(key),
            ..
        } => Some((key.clone(), error.to_string())),
        _ => None,
    }
}

/// The secret of a setting, which may be given as a file, as containers do.
pub(super) fn read_secret(
    key: &str,
    value: &SecretString,
    file: &Path,
) -> Result<SecretString, Error> {
    if file.as_os_str().is_empty() {
        return Ok(value.clone());
    }
    let unusable = |problem: &str| {
        let (variable, file) = (variable_of(&format!("{key}_file")), file.display());
        Error::Value(format!("{key}_file: {file} {problem} ({variable})"))
    };
    if !value.expose_secret().is_empty() {
        return Err(unusable(&format!(
            "is named although {key} is set, too: unset one of them"
        )));
    }
    let read = || {
        let mut text = String::new();
        let mut opened = io::Read::take(fs::File::open(file)?, SECRET_BYTES_MAX);
        io::Read::read_to_string(&mut opened, &mut text)?;
        Ok::<_, io::Error>(text)
    };
    let text = read().map_err(|error| unusable(&format!("can't be read: {error}")))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(unusable("is empty")),
        secret => Ok(secret.into()),
    }
}
