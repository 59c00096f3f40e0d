//! A database that takes the place of one that is lost: whole or not there, and never over another.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where a database is to be, and where it is until it is whole.
pub struct DatabasePlace {
    database: PathBuf,
    unfinished: PathBuf,
}

impl DatabasePlace {
    /// Refuses a place that is taken. What a lost database has left beside it is put aside.
    pub fn new(database: &Path) -> Result<Self> {
        if fs::symlink_metadata(database).is_ok() {
            return Err(taken(database));
        }
        let unfinished = database.with_added_extension("recovering");
        let swept = ["-wal", "-shm"].iter().try_for_each(|end| set_aside(&beside(database, end)));
        let swept = swept
            .and_then(|()| ["", "-wal", "-shm"].iter().try_for_each(|end| remove(&beside(&unfinished, end))));
        swept.map_err(|why| Error::host(format!("{}: {why}", database.display())))?;
        Ok(Self { database: database.to_owned(), unfinished })
    }

    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// The database is whole and closed: it takes its place, if that is still free.
    pub fn finish(self) -> Result<()> {
        let done = File::open(&self.unfinished)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::hard_link(&self.unfinished, &self.database))
            .and_then(|()| fs::remove_file(&self.unfinished))
            .and_then(|()| File::open(self.database.parent().unwrap_or(Path::new("/")))?.sync_all());
        match done {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => Err(taken(&self.database)),
            done => done.map_err(|why| Error::host(format!("{}: {why}", self.database.display()))),
        }
    }
}

fn taken(database: &Path) -> Error {
    Error::conflict(format!("There is a database already: {}.", database.display()))
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A journal without its database would be played into the new one.
fn set_aside(file: &Path) -> io::Result<()> {
    let free = (1..).map(|n| beside(file, &format!(".lost-{n}"))).find(|name| !name.exists());
    match free.map(|name| fs::rename(file, name)) {
        Some(Err(why)) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("vireo.db");
        fs::write(beside(&database, "-wal"), "old").unwrap();
        fs::write(dir.path().join("vireo.db.recovering"), "half").unwrap();
        let place = DatabasePlace::new(&database).unwrap();
        assert!(!place.unfinished().exists());
        assert_eq!(fs::read_to_string(dir.path().join("vireo.db-wal.lost-1")).unwrap(), "old");
        fs::write(place.unfinished(), "new").unwrap();
        place.finish().unwrap();
        assert_eq!(fs::read_to_string(&database).unwrap(), "new");
        assert!(DatabasePlace::new(&database).is_err());
        fs::rename(&database, dir.path().join("x")).unwrap();
        let place = DatabasePlace::new(&database).unwrap();
        fs::write(place.unfinished(), "newer").unwrap();
        fs::write(&database, "somebody's").unwrap();
        assert!(place.finish().is_err());
        assert_eq!(fs::read_to_string(&database).unwrap(), "somebody's");
    }
}
