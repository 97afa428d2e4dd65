//! Waiting for a state, never for a while: with a deadline, and an error that says what was waited for and what was seen.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// How long a story waits for anything unless it says otherwise. Far more than it takes: only a failure waits so long.
pub const DEADLINE: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Looks until something is there, for [`DEADLINE`].
///
/// # Errors
/// It was not there in time, or looking failed the last time.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(DEADLINE, what, look)
}

/// Looks until something is there, at least once.
///
/// # Errors
/// It was not there in time, or looking failed the last time.
pub fn until_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        // What fails now may be about to come: a server that starts refuses connections.
        let seen = look();
        if let Ok(Some(found)) = seen {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            seen.with_context(|| format!("waited {limit:?} for {what}"))?;
            bail!("waited {limit:?} for {what}");
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks until something is there, as often as it is said: for moments that are measured.
///
/// # Errors
/// As [`until_within`].
pub fn until_every<T>(
    pause: Duration,
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} for {what}");
        }
        thread::sleep(pause);
    }
}

/// Reads until a value is as wanted, for [`DEADLINE`]; the error tells the value seen last.
///
/// # Errors
/// It was not so in time, or reading failed the last time.
pub fn until_value<T: Debug>(
    what: &str,
    mut read: impl FnMut() -> Result<T>,
    wanted: impl Fn(&T) -> bool,
) -> Result<T> {
    let mut last = None;
    let found = until(what, || {
        let value = read()?;
        if wanted(&value) {
            return Ok(Some(value));
        }
        last = Some(value);
        Ok(None)
    });
    found.with_context(|| match &last {
        Some(value) => format!("last seen: {value:?}"),
        None => "nothing was seen".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_found() {
        let mut looks = 0;
        let found = until("the third look", || {
            looks += 1;
            if looks < 2 {
                bail!("not yet")
            }
            Ok((looks == 3).then_some("here"))
        });
        assert_eq!(found.unwrap(), "here");
    }

    #[test]
    fn what_never_comes_is_told_with_the_last_error() {
        let never: Result<()> = until_within(Duration::ZERO, "rain", || bail!("dry"));
        assert_eq!(format!("{:#}", never.unwrap_err()), "waited 0ns for rain: dry");
        let never: Result<()> = until_within(Duration::ZERO, "rain", || Ok(None));
        assert_eq!(never.unwrap_err().to_string(), "waited 0ns for rain");
    }
}
