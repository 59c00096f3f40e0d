//! Runs a program of the host: without a shell, bounded in memory, processor and real time.
//!
//! A program neither hears what ends the daemon nor outlives it. If it ended first, its failure would
//! undo what the next start is to finish; if it lived on, it would write beside that start's.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What no work on an image's metadata ever needs, and a hostile image must not get.
const MAX_MEMORY: &str = "--as=1073741824";
/// Work on data has many threads, each with a stack of its own.
const MAX_DATA_MEMORY: &str = "--as=4294967296";
const MAX_CPU_SECONDS: u64 = 10;
const MAX_MESSAGE: u64 = 64 * 1024;
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// Between two looks whether a program ended. One that has written much takes some of them to let it go.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs the program to its end. The error is what it wrote to its standard error, in English.
pub fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    deadline: Duration,
) -> Result<(), String> {
    output(program, args, deadline).map(drop)
}

/// The same for a program whose standard output is wanted.
pub fn output<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    deadline: Duration,
) -> Result<Vec<u8>, String> {
    bounded(program, args, deadline, [MAX_MEMORY, &format!("--cpu={MAX_CPU_SECONDS}")])
}

/// The same for work on an image's data, which takes the processor as long as there is data.
pub fn work<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    deadline: Duration,
) -> Result<(), String> {
    bounded(program, args, deadline, [MAX_DATA_MEMORY, &format!("--cpu={}", deadline.as_secs())]).map(drop)
}

fn bounded<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    deadline: Duration,
    limits: [&str; 2],
) -> Result<Vec<u8>, String> {
    let end = Instant::now() + deadline;
    let rest = || end.saturating_duration_since(Instant::now());
    // Each becomes the next, so that all holds from the program's first instruction. The thread that
    // started it is the one whose death kills it: that one waits for it below.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "prlimit"])
        .args(limits)
        .arg("--")
        .arg(program)
        .args(args)
        .env("LC_ALL", "C")
        // A heap for each thread would reserve 64 MiB of address space each, eight for each processor.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C is for the daemon.
        .process_group(0)
        .spawn()
        .map_err(|why| format!("setpriv: {why}"))?;
    let answer = child.stdout.take().map(|stdout| gather(stdout, MAX_ANSWER));
    let message = child.stderr.take().map(|stderr| gather(stderr, MAX_MESSAGE));
    // Mostly the program's standard error ends when it does; one may close or overfill it and run on.
    let message = message.map_or(Err(RecvTimeoutError::Disconnected), |it| it.recv_timeout(rest()));
    let status = ended(&mut child, end).map_err(|why| why.to_string())?;
    match (status, message) {
        (Some(status), Ok(Ok(_))) if status.success() => match answer.map(|it| it.recv_timeout(rest())) {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(why))) => Err(why.to_string()),
            _ => Err(format!("{} did not end its answer", program.display())),
        },
        (Some(status), Ok(Ok(text))) => {
            let text = String::from_utf8_lossy(&text);
            Err(format!("{} ended with {status}: {}", program.display(), text.trim()))
        }
        (Some(_), Ok(Err(why))) => Err(why.to_string()),
        _ => Err(format!("{} did not end within {} s", program.display(), deadline.as_secs_f32())),
    }
}

/// How a program ended by then; it is killed, and gone, when it did not.
fn ended(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let rest = end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            child.kill()?;
            return child.wait().map(|_| None);
        }
        std::thread::sleep(PAUSE.min(rest));
    }
}

/// Reads so many bytes of a stream in a thread of its own.
fn gather(stream: impl Read + Send + 'static, most: u64) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (done, gathered) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.take(most).read_to_end(&mut bytes);
        // The receiver is gone when the deadline passed.
        let _ = done.send(read.map(|_| bytes));
    });
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, deadline: Duration) -> Result<(), String> {
        run(Path::new("/bin/sh"), ["-c", script], deadline)
    }

    #[test]
    fn ends_tell() {
        let long = Duration::from_secs(20);
        assert_eq!(sh("exit 0", long), Ok(()));
        assert_eq!(output(Path::new("/bin/sh"), ["-c", "echo yes"], long), Ok(b"yes\n".to_vec()));
        assert!(sh("echo no >&2; exit 3", long).unwrap_err().ends_with("3: no"));
        assert!(sh("kill -9 $$", long).unwrap_err().contains("signal: 9"));
        assert!(run(Path::new("/nonexistent/x"), ["y"], long).unwrap_err().contains("/nonexistent/x"));
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(
            sh("test $(ulimit -v) = 1048576 && test $(ulimit -t) = 10", Duration::from_secs(20)),
            Ok(())
        );
        let start = Instant::now();
        for script in [
            "exec sleep 30",
            "exec 2>&-; exec sleep 30",
            "trap '' PIPE; head -c 100000 /dev/zero >&2; exec sleep 30",
            "exec 2>&- >&-; exec sleep 30",
        ] {
            let error = sh(script, Duration::from_millis(300)).unwrap_err();
            assert!(error.contains("did not end within 0.3 s"), "{script}: {error}");
        }
        let error = sh("sleep 30 2>&- &", Duration::from_millis(300)).unwrap_err();
        assert!(error.contains("did not end its answer"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn programs_live_no_longer_than_we_and_hear_no_signals_of_ours() {
        let long = Duration::from_secs(20);
        let said = output(Path::new("setpriv"), ["--dump"], long).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("Parent death signal: KILL"), "{said}");
        // The fifth field is the process group.
        assert_eq!(
            sh("read -r pid name state parent group rest </proc/$$/stat; test $group = $$", long),
            Ok(())
        );
    }
}
