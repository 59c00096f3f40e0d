//! The body of a long list: its rendered items, joined in pieces as the client takes them, so that
//! a list costs the daemon a piece at a time and not a copy of the whole.

use crate::wire::Frame;
use axum::body::{Bytes, HttpBody};
use bytes::{BufMut, BytesMut};
use http_body::{Frame as Piece, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Large enough that a piece is worth a system call.
const PIECE: usize = 64 << 10;

/// Items between what their collection begins and ends with.
pub struct Listed {
    /// Begins with what stands before the items and ends with what stands after them.
    parts: std::vec::IntoIter<Bytes>,
    left: usize,
}

impl Listed {
    pub fn new(frame: Frame, items: Vec<Bytes>) -> Self {
        let parts: Vec<Bytes> = if items.is_empty() {
            vec![Bytes::from(frame.empty)]
        } else {
            let between = Bytes::from_static(frame.between.as_bytes());
            let mut parts = Vec::with_capacity(items.len() * 2 + 1);
            parts.push(Bytes::from(frame.before));
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 && !between.is_empty() {
                    parts.push(between.clone());
                }
                parts.push(item);
            }
            parts.push(Bytes::from(frame.after));
            parts
        };
        let left = parts.iter().map(Bytes::len).sum();
        Self { parts: parts.into_iter(), left }
    }

    fn piece(&mut self) -> Option<Bytes> {
        let mut piece = BytesMut::with_capacity(PIECE.min(self.left));
        while let Some(next) = self.parts.as_slice().first() {
            if !piece.is_empty() && piece.len() + next.len() > PIECE {
                break;
            }
            piece.put_slice(next);
            self.parts.next();
        }
        self.left -= piece.len();
        (!piece.is_empty()).then(|| piece.freeze())
    }
}

impl HttpBody for Listed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Infallible>>> {
        Poll::Ready(self.piece().map(|piece| Ok(Piece::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let frame = || Frame { empty: "{}".into(), before: "[".into(), between: ",", after: "]".into() };
        let item = Bytes::from("x".repeat(PIECE / 2 + 1));
        for count in 0..5 {
            let mut listed = Listed::new(frame(), vec![item.clone(); count]);
            let promised = listed.left;
            let mut whole = Vec::new();
            while let Some(piece) = listed.piece() {
                assert!(piece.len() <= PIECE + item.len());
                whole.extend_from_slice(&piece);
            }
            assert_eq!(whole.len(), promised);
            let wanted = match count {
                0 => "{}".to_owned(),
                _ => format!("[{}]", vec!["x".repeat(PIECE / 2 + 1); count].join(",")),
            };
            assert!(whole == wanted.as_bytes());
        }
    }
}
