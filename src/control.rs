//! A daemon takes orders from the host's administrator through a socket in its state folder: one
//! line of JSON each way. Only root, and who runs the daemon, is listened to.

use crate::engine::{Engine, Order};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as Stream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{UnixListener, UnixStream};

/// The longest order.
const LONGEST: u64 = 64 << 10;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of an order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done(Vec<String>),
    Refused(String),
}

fn socket(state: &Path) -> PathBuf {
    state.join("control")
}

/// Opens the socket of a daemon that has the state folder. One of a daemon that died is replaced.
pub fn listen(state: &Path) -> Result<UnixListener> {
    let path = socket(state);
    let opened = match std::fs::remove_file(&path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => UnixListener::bind(&path),
    };
    opened.map_err(|why| Error::host(format!("The socket {} cannot be opened: {why}", path.display())))
}

/// Carries out what comes, one after the other, for ever.
pub async fn serve(listener: UnixListener, engine: Arc<Engine>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(Err(why)) = tokio::time::timeout(PATIENCE, answer(stream, &engine)).await {
                    tracing::warn!("an order at the control socket came to nothing: {why}");
                }
            }
            Err(why) => {
                tracing::warn!("the control socket: {why}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, engine: &Arc<Engine>) -> std::io::Result<()> {
    let who = stream.peer_cred()?.uid();
    let mut stream = BufStream::new(stream);
    let answer = match who == 0 || who == nix::unistd::geteuid().as_raw() {
        false => Answer::Refused("Only root gives orders.".into()),
        true => {
            let mut line = String::new();
            (&mut stream).take(LONGEST).read_line(&mut line).await?;
            match serde_json::from_str::<Order>(&line) {
                Ok(order) => {
                    // Whoever stops waiting leaves no order half done.
                    let engine = engine.clone();
                    let obeyed = tokio::spawn(async move { engine.obey(order).await });
                    match obeyed.await.map_err(Error::bug).flatten() {
                        Ok(said) => Answer::Done(said),
                        Err(why) => Answer::Refused(why.said),
                    }
                }
                Err(_) => {
                    Answer::Refused("The order is not understood: is the daemon of another version?".into())
                }
            }
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}

/// Has an order carried out by the daemon of that state folder; gives what it said.
pub fn ask(state: &Path, order: &Order) -> Result<Vec<String>> {
    let asked = || -> std::io::Result<String> {
        let mut stream = Stream::connect(socket(state))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(|why| Error::host(format!("The daemon does not answer: {why}")))?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Done(said)) => Ok(said),
        Ok(Answer::Refused(why)) => Err(Error::conflict(why)),
        Err(why) => Err(Error::host(format!("The daemon's answer is not understood: {why}"))),
    }
}
