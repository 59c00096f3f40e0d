//! Runs a program of the host: without a shell, bounded in memory, processor and real time.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// What no work on an image's metadata ever needs, and a hostile image must not get.
const MAX_MEMORY: &str = "--as=1073741824";
/// Work on data has many threads, each with a stack of its own.
const MAX_DATA_MEMORY: &str = "--as=4294967296";
const MAX_CPU_SECONDS: u64 = 10;
const MAX_MESSAGE: u64 = 64 * 1024;
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

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
    // prlimit(1) becomes the program, so that the limits hold from its first instruction.
    let mut child = Command::new("prlimit")
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
        .spawn()
        .map_err(|why| format!("prlimit: {why}"))?;
    let answer = child.stdout.take().map(|stdout| gather(stdout, MAX_ANSWER));
    let message = child.stderr.take().map(|stderr| gather(stderr, MAX_MESSAGE));
    // The program's standard error ends when it does.
    let message = message.map_or(Err(RecvTimeoutError::Disconnected), |it| it.recv_timeout(deadline));
    if message.is_err() {
        // Fails only when it ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|why| why.to_string())?;
    match message {
        Ok(Ok(_)) if status.success() => match answer.map(|it| it.recv_timeout(deadline)) {
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(why))) => Err(why.to_string()),
            _ => Err(format!("{} did not end its answer", program.display())),
        },
        Ok(Ok(text)) => {
            let text = String::from_utf8_lossy(&text);
            Err(format!("{} ended with {status}: {}", program.display(), text.trim()))
        }
        Ok(Err(why)) => Err(why.to_string()),
        Err(_) => Err(format!("{} did not end within {} s", program.display(), deadline.as_secs_f32())),
    }
}

/// Reads so many bytes of a stream in a thread of its own.
fn gather(stream: impl Read + Send + 'static, most: u64) -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
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
    use std::time::Instant;

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
        assert!(sh("exec sleep 30", Duration::from_millis(100)).unwrap_err().contains("did not end"));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
