//! The body of a long list: its rendered items, joined in pieces as the client takes them, so that
//! a list costs the daemon a piece at a time and not a copy of the whole.

use super::condensed::Condensed;
use crate::wire::Frame;
use axum::body::{Bytes, HttpBody};
use bytes::{BufMut, BytesMut};
use http_body::{Frame as Piece, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Large enough that a piece is worth a system call.
const PIECE: usize = 64 << 10;

/// What a list is made of.
#[derive(Clone)]
pub enum Item {
    Whole(Bytes),
    Condensed(Arc<Condensed>),
}

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Condensed(text) => text.len(),
        }
    }

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Whole(text) => out.put_slice(text),
            Self::Condensed(text) => text.put(out),
        }
    }
}

/// Items between what their collection begins and ends with.
pub struct Listed {
    /// Begins with what stands before the items and ends with what stands after them.
    parts: std::vec::IntoIter<Item>,
    left: usize,
}

impl Listed {
    pub fn new(frame: Frame, items: Vec<Item>) -> Self {
        let parts: Vec<Item> = if items.is_empty() {
            vec![Item::Whole(frame.empty.into())]
        } else {
            let between = Item::Whole(Bytes::from_static(frame.between.as_bytes()));
            let mut parts = Vec::with_capacity(items.len() * 2 + 1);
            parts.push(Item::Whole(frame.before.into()));
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 && !frame.between.is_empty() {
                    parts.push(between.clone());
                }
                parts.push(item);
            }
            parts.push(Item::Whole(frame.after.into()));
            parts
        };
        let left = parts.iter().map(Item::len).sum();
        Self { parts: parts.into_iter(), left }
    }

    fn piece(&mut self) -> Option<Bytes> {
        let mut piece = BytesMut::with_capacity(PIECE.min(self.left));
        while let Some(next) = self.parts.as_slice().first() {
            if !piece.is_empty() && piece.len() + next.len() > PIECE {
                break;
            }
            next.put(&mut piece);
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
        let item = Item::Whole("x".repeat(PIECE / 2 + 1).into());
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
