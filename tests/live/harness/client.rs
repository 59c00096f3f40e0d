//! A small HTTP client of the API, on plain HTTP.

use super::{PASSWORD, USER};
use base64::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use vireo::xml::{Element, parse};

/// Longer than any answer of the API may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub struct Client {
    pub port: u16,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Client {
    /// One request below the API's root, on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let answer = self.attempt(method, path, headers, body);
        answer.unwrap_or_else(|why| panic!("{method} {path}: no answer: {why}"))
    }

    /// The same with a daemon that may be gone, or go.
    pub fn attempt(&self, method: &str, path: &str, headers: &[&str], body: &str) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let credentials = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!(
            "{method} /ovirt-engine/api{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Basic {credentials}\r\nAccept: application/xml\r\n\
             Content-Type: application/xml\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if answer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{method} {path}: {head}"));
        Ok(Reply { status, body: body.to_owned() })
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], body)
    }

    pub fn put(&self, path: &str, body: &str) -> Reply {
        self.send("PUT", path, &[], body)
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], "")
    }
}

impl Reply {
    /// The document of an answer with that status.
    pub fn is(self, status: u16) -> Element {
        assert_eq!(self.status, status, "{}", self.body);
        match self.body.is_empty() {
            true => Element::default(),
            false => parse(self.body.as_bytes()).unwrap(),
        }
    }

    /// The detail of a refusal: a fault of its own, or the one of an action.
    pub fn refused(self, status: u16) -> String {
        let document = self.is(status);
        let detail = match document.name.as_str() {
            "action" => {
                assert_eq!(document.value("status/state").as_deref(), Some("failed"));
                document.value("fault/detail")
            }
            _ => document.value("detail"),
        };
        detail.unwrap_or_else(|| panic!("a refusal without a reason: {document:?}"))
    }
}
