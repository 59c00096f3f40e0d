//! A guest, spoken to over its serial console (tests/guests/README.md).

use super::wait_for;
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// Two processors are shared by everything that the tests run.
const BOOT: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(30);
/// Its line may have passed before anybody listened: then it is asked.
const ASK_EVERY: Duration = Duration::from_secs(2);

pub struct Guest {
    console: File,
    said: String,
    commands: u32,
}

impl Guest {
    /// The guest at a terminal, once it answers.
    pub fn on(terminal: &str) -> Self {
        let mut options = File::options();
        let console = options.read(true).write(true).custom_flags(O_NOCTTY | O_NONBLOCK).open(terminal);
        let mut guest = Self { console: console.unwrap(), said: String::new(), commands: 0 };
        let mut asked = Instant::now();
        wait_for(BOOT, "the guest is there", || {
            guest.hear();
            if asked.elapsed() > ASK_EVERY {
                asked = Instant::now();
                guest.say("ready true");
            }
            (guest.said.contains("GUEST-READY") || guest.said.contains(">ready ")).then_some(())
        });
        // Answers to questions that it only reads now are not taken for others': ids differ.
        guest.said.clear();
        guest
    }

    /// Waits until the guest of the same QEMU has booted anew.
    pub fn boots_again(&mut self) {
        wait_for(BOOT, "the guest boots again", || {
            self.hear();
            self.said.contains("GUEST-READY").then_some(())
        });
        self.said.clear();
    }

    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.console.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.said += &String::from_utf8_lossy(&buffer[..count]).replace('\r', ""),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                Err(why) => panic!("the console is gone: {why}; its last words: {}", self.said),
            }
        }
    }

    pub fn say(&mut self, line: &str) {
        self.console.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Runs a command; its output and its code.
    pub fn run(&mut self, command: &str) -> (String, i32) {
        self.commands += 1;
        let id = format!("c{}", self.commands);
        let (begin, end) = (format!("<{id}\n"), format!(">{id} "));
        self.say(&format!("{id} {command}"));
        wait_for(ANSWER, &format!("an answer to {command}"), || {
            self.hear();
            let (_, answer) = self.said.split_once(&begin)?;
            let (output, rest) = answer.split_once(&end)?;
            let (code, rest) = rest.split_once('\n')?;
            let answered = (output.trim_end().to_owned(), code.parse().ok()?);
            self.said = rest.to_owned();
            Some(answered)
        })
    }

    /// Runs a command that must succeed.
    pub fn ask(&mut self, command: &str) -> String {
        let (output, code) = self.run(command);
        assert_eq!(code, 0, "{command}: {output}");
        output
    }

    /// Waits until a command succeeds; guests take their time to see devices.
    pub fn until(&mut self, seconds: u64, command: &str) -> String {
        wait_for(Duration::from_secs(seconds), &format!("in the guest: {command}"), || {
            let (output, code) = self.run(command);
            (code == 0).then_some(output)
        })
    }
}

/// Its last words say more of a failure than the time that is over.
impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("== the guest's last words\n{}", super::daemon::tail(&self.said, 15));
        }
    }
}
