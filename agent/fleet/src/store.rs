//! The database: a file that is thrown away, so nothing in it need survive a crash.

use std::path::Path;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Statement, ToSql, params};

use crate::FleetError;
use crate::batch::{Batch, Cell};
use crate::input::Problem;
use crate::load::{Counts, Options};
use crate::table::Table;

const SCHEMA: &str = include_str!("../../../docs/siem/schema/sqlite.sql");
const VIEWS: &str = include_str!("../../../docs/siem/schema/views.sql");
/// Bytes of a page.
const PAGE: u64 = 8192;
/// Most bytes of a database that nobody gave a limit.
const MAX_BYTES: u64 = 64 << 30;
/// Seconds since 1970 of a moment that no record is after; an hour can be added to it.
const NEVER: i64 = i64::MAX / 2;

/// The lines of the chains, and how far heartbeats say that they are, for the proof only.
const LINKS: &str = "CREATE TABLE links (device TEXT NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL,
    seq INTEGER NOT NULL, prev TEXT NOT NULL, digest BLOB NOT NULL, time INTEGER NOT NULL);
    CREATE TABLE ends (device TEXT NOT NULL, time INTEGER NOT NULL, class TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL)";

/// The view of that name, with everything that it is looked up by as its key. Attack: thousands of entries with one command, which
/// an index of a part of it compares with one another. Rows come in this order, so that the key costs no index of its own.
const SIGHTINGS: &str = "CREATE TABLE sightings (device TEXT NOT NULL, owner TEXT NOT NULL, client TEXT NOT NULL,
    server TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL, version TEXT NOT NULL, fingerprint TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    PRIMARY KEY (device, owner, client, server, kind, identity, version, fingerprint)) WITHOUT ROWID";

/// A fleet that was loaded.
pub struct Fleet {
    pub(crate) connection: Connection,
    /// What was read.
    pub counts: Counts,
    /// The first thousand of what was passed over.
    pub problems: Vec<Problem>,
}

/// A database that is being filled.
pub(crate) struct Store {
    connection: Connection,
    prove: bool,
    now: i64,
}

impl Store {
    /// # Errors
    /// The database cannot be made, or its name is taken.
    pub(crate) fn create(options: &Options) -> Result<Self, FleetError> {
        let connection = match &options.database {
            Some(path) => Connection::open(free(path)?)?,
            // SQLite's own temporary file, which is gone with the connection whatever happens
            None => Connection::open("")?,
        };
        let bytes = if options.max_bytes == 0 { MAX_BYTES } else { options.max_bytes };
        connection.execute_batch(&format!(
            "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -131072; PRAGMA temp_store = FILE;
             PRAGMA max_page_count = {}; PRAGMA trusted_schema = OFF;",
            (bytes / PAGE).max(64)
        ))?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(LINKS)?;
        Ok(Self { connection, prove: options.prove, now: options.now.unwrap_or(NEVER) })
    }

    /// Writes the rows of a batch in one transaction. How many of its documents were there already.
    ///
    /// # Errors
    /// The database is full, or the system refuses.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<u64, FleetError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut duplicates = 0;
        {
            let mut inserts = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                inserts.push(transaction.prepare(&insert(table))?);
            }
            let mut links = transaction.prepare("INSERT INTO links VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for (digest, rows) in batch.documents() {
                for (table, cells) in rows {
                    let statement = &mut inserts[table as usize];
                    let added = bind(statement, batch, cells)?;
                    if table != Table::Records {
                        continue;
                    }
                    if let Some(digest) = digest.filter(|_| self.prove)
                        && let [_, device, class, epoch, seq, prev, time, ..] = cells
                    {
                        let of = |cell: &Cell| value(batch, *cell);
                        links.execute(params![
                            of(device),
                            of(class),
                            of(epoch),
                            of(seq),
                            of(prev),
                            digest,
                            of(time)
                        ])?;
                    }
                    if added == 0 {
                        duplicates += 1;
                        break;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(duplicates)
    }

    /// What the queries read is made now and stays.
    ///
    /// # Errors
    /// The database is full, or the system refuses.
    pub(crate) fn finish(self, counts: Counts, problems: Vec<Problem>) -> Result<Fleet, FleetError> {
        // what is current is so at a moment
        self.connection.execute("INSERT INTO parameters VALUES ('now', ?1)", [self.now])?;
        // the views as tables: nothing comes any more, and a gate asks for them ten times
        for statement in VIEWS.split(';').filter(|statement| statement.contains("CREATE VIEW")) {
            let statement = match statement.split_once("CREATE VIEW sightings AS") {
                Some((_, select)) => format!("{SIGHTINGS}; INSERT INTO sightings {select}"),
                None => statement.replacen("CREATE VIEW", "CREATE TABLE", 1),
            };
            self.connection.execute_batch(&statement)?;
        }
        self.connection.execute_batch(
            "CREATE INDEX current_entries_by_device ON current_entries (device);
             CREATE INDEX current_teams_by_device ON current_teams (device);
             CREATE INDEX current_heartbeats_by_device ON current_heartbeats (device);
             CREATE INDEX known_since_by_device ON known_since (device);",
        )?;
        // without the sizes of tables a join of two large ones is looked up row by row
        self.connection.execute_batch("PRAGMA analysis_limit = 400; ANALYZE;")?;
        Ok(Fleet { connection: self.connection, counts, problems })
    }
}

impl Fleet {
    /// How many machines are known by their host name alone, and have more than one report. Two laptops of one name are one
    /// machine then, of which the newer report hides the older.
    ///
    /// # Errors
    /// The database refuses.
    pub fn known_by_host_name(&self) -> Result<u64, FleetError> {
        let sql = "SELECT count(*) FROM (SELECT device FROM records WHERE kind = 'scan' AND device = hostname
            GROUP BY device HAVING count(*) > 1)";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// A kept database is a new one, as an old file would be filled twice; and only its owner reads it, as it names people.
fn free(path: &Path) -> Result<&Path, FleetError> {
    let absolute = std::path::absolute(path)?;
    let folder = absolute.parent().ok_or(std::io::ErrorKind::InvalidInput).map_err(std::io::Error::from)?;
    match tempfile::NamedTempFile::new_in(folder)?.persist_noclobber(path) {
        Ok(_) => Ok(path),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(FleetError::Taken(path.display().to_string()))
        }
        Err(error) => Err(error.error.into()),
    }
}

fn insert(table: Table) -> String {
    let marks = vec!["?"; table.columns()].join(", ");
    // of two records with one id the first stays; a second one is sent after a lost answer
    let or_ignore = if table == Table::Records { "OR IGNORE " } else { "" };
    format!("INSERT {or_ignore}INTO {} VALUES ({marks})", table.name())
}

fn bind(statement: &mut Statement<'_>, batch: &Batch, cells: &[Cell]) -> Result<usize, rusqlite::Error> {
    for (at, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value(batch, *cell))?;
    }
    statement.raw_execute()
}

/// A cell as SQLite takes it.
enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

fn value(batch: &Batch, cell: Cell) -> Value<'_> {
    match cell {
        Cell::Text { start, end } => Value::Text(batch.text_of(start, end)),
        Cell::Number(number) => Value::Number(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_kept_is_never_one_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { database: Some(folder.path().join("fleet.sqlite")), ..Options::default() };
        drop(Store::create(&options).unwrap());
        assert!(matches!(Store::create(&options), Err(FleetError::Taken(_))));
    }

    #[test]
    fn every_table_has_as_many_columns_as_the_schema_says() {
        let store = Store::create(&Options::default()).unwrap();
        for table in Table::ALL {
            let sql = format!("SELECT count(*) FROM pragma_table_info('{}')", table.name());
            let columns: i64 = store.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(columns, i64::try_from(table.columns()).unwrap(), "{}", table.name());
        }
    }
}
