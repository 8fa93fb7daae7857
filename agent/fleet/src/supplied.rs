//! What only the security team knows: accounts that are gone, change tickets, what expires when. From CSV files with a header.

use std::io::Read;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::store::Fleet;

/// Most rows of such a file.
const MAX_ROWS: usize = 1_000_000;

/// Which table a file fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `owner,since`: accounts and the day from which they should have nothing.
    Offboarded,
    /// `ticket,subject,opened,closed`: what is to be changed; `closed` may be empty.
    ChangeTickets,
    /// `what,subject,expires`: policies, exceptions, keys.
    Expiries,
}

impl Kind {
    fn header(self) -> &'static [&'static str] {
        match self {
            Self::Offboarded => &["owner", "since"],
            Self::ChangeTickets => &["ticket", "subject", "opened", "closed"],
            Self::Expiries => &["what", "subject", "expires"],
        }
    }

    fn insert(self) -> &'static str {
        match self {
            Self::Offboarded => "INSERT INTO offboarded VALUES (?, ?)",
            Self::ChangeTickets => "INSERT INTO change_tickets VALUES (?, ?, ?, ?)",
            Self::Expiries => "INSERT INTO expiries VALUES (?, ?, ?)",
        }
    }

    fn is_time(self, column: &str) -> bool {
        !matches!((self, column), (_, "owner" | "ticket" | "subject" | "what"))
    }
}

/// Why such a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SuppliedError {
    /// It is no CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("it has no column {0:?}; the header is {1}")]
    Column(&'static str, String),
    /// A cell is no time.
    #[error("row {row}: {column} is no day (2026-11-30), time (RFC 3339) or number of seconds since 1970")]
    Time {
        /// Which row, from 1, without the header.
        row: usize,
        /// Which column.
        column: &'static str,
    },
    /// It is longer than any such list.
    #[error("it has more than {MAX_ROWS} rows")]
    TooLong,
    /// The database refuses.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
}

impl Fleet {
    /// Takes a file of what the security team knows. How many rows it has.
    ///
    /// # Errors
    /// It is not as its kind asks; nothing of it counts then.
    pub fn supply(&self, kind: Kind, file: impl Read) -> Result<usize, SuppliedError> {
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers()?.clone();
        let mut places = Vec::new();
        for column in kind.header() {
            let place = header.iter().position(|name| name.trim().trim_start_matches('\u{feff}') == *column);
            places.push((
                *column,
                place.ok_or_else(|| SuppliedError::Column(column, kind.header().join(",")))?,
            ));
        }
        let mut all = Vec::new();
        for (row, record) in reader.records().enumerate() {
            if row >= MAX_ROWS {
                return Err(SuppliedError::TooLong);
            }
            let record = record?;
            let mut values: Vec<rusqlite::types::Value> = Vec::with_capacity(places.len());
            for (column, place) in &places {
                let cell = record.get(*place).unwrap_or_default().trim();
                values.push(if kind.is_time(column) {
                    let is_open = cell.is_empty() && *column == "closed";
                    let time = if is_open { Some(0) } else { seconds(cell) };
                    time.ok_or(SuppliedError::Time { row: row + 1, column })?.into()
                } else {
                    cell.to_owned().into()
                });
            }
            all.push(values);
        }
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut insert = transaction.prepare(kind.insert())?;
            for values in &all {
                insert.execute(rusqlite::params_from_iter(values))?;
            }
        }
        transaction.commit()?;
        Ok(all.len())
    }
}

/// A day, a time or seconds since 1970.
fn seconds(cell: &str) -> Option<i64> {
    if let Ok(number) = cell.parse() {
        return Some(number);
    }
    if let Ok(time) = cell.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    let day: Date = cell.parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}
