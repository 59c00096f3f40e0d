//! A client that keeps its connection, as the version 3 SDK does.

use crate::harness::{PASSWORD, USER};
use base64::prelude::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use vireo::xml::{Element, parse};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The daemon hangs up on a connection that idles for a minute.
const FRESH: Duration = Duration::from_secs(30);

pub struct Session {
    stream: BufReader<TcpStream>,
    port: u16,
    used: Instant,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// From the request's last byte to the answer's first.
    pub first_byte: Duration,
}

pub fn credentials() -> String {
    format!("Authorization: Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

impl Session {
    pub fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(256 << 10, stream), port, used: Instant::now() })
    }

    /// One request below the API's root; a change is answered when it is done.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
        self.exchange(method, &format!("/ovirt-engine/api{path}"), body)
    }

    pub fn exchange(&mut self, method: &str, address: &str, body: &str) -> std::io::Result<Answer> {
        let request = format!(
            "{method} {address} HTTP/1.1\r\nHost: localhost\r\n{}\r\nAccept: application/xml\r\n\
             Content-Type: application/xml\r\nExpect: 201-created\r\nContent-Length: {}\r\n\r\n{body}",
            credentials(),
            body.len()
        );
        if self.used.elapsed() > FRESH {
            *self = Self::open(self.port)?;
        }
        self.used = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let begun = Instant::now();
        self.stream.fill_buf()?;
        let first_byte = begun.elapsed();
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body, first_byte })
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.must("GET", path, "")
    }

    /// A request that must succeed.
    pub fn must(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.send(method, path, body).unwrap_or_else(|why| panic!("{method} {path}: {why}"));
        let said = || String::from_utf8_lossy(&answer.body).into_owned();
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, said());
        answer
    }
}

impl Answer {
    pub fn document(&self) -> Element {
        parse(&self.body).unwrap()
    }

    pub fn id(&self) -> String {
        self.document().value("@id").unwrap()
    }
}
