//! Texts that are kept for long and are alike but for a few words: what they share is kept once.
//!
//! A text is taken apart at its lines, at its commas, and wherever its own id stands. One that has
//! as many pieces as another, most of them the same, is told by that other's shape and the pieces of
//! its own.

use bytes::{BufMut, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// Shapes that a new text is compared with.
const SHAPES: usize = 32;
/// More pieces of its own make a text a shape of its own: one in so many.
const LEAST_ALIKE: usize = 4;

/// A text and where it may differ from others.
#[derive(Debug)]
struct Shape {
    /// Without the id.
    text: Box<[u8]>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it ends in the shape's text.
    end: u32,
    /// The id stands behind it.
    id_follows: bool,
}

/// A piece that differs from the shape's, by its index.
type Own = (u32, Box<[u8]>);

#[derive(Debug)]
pub struct Condensed {
    shape: Arc<Shape>,
    id: Box<[u8]>,
    own: Box<[Own]>,
    length: usize,
}

impl Condensed {
    /// The length of the text in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Writes the text.
    pub fn put(&self, out: &mut BytesMut) {
        let shape = &self.shape;
        let mut own = self.own.iter().peekable();
        // What is written next begins here; pieces that follow each other go out as one.
        let (mut from, mut begin) = (0, 0);
        for (index, piece) in shape.pieces.iter().enumerate() {
            let end = piece.end as usize;
            if let Some((_, text)) = own.next_if(|(at, _)| *at as usize == index) {
                out.put_slice(&shape.text[from..begin]);
                out.put_slice(text);
                from = end;
            }
            if piece.id_follows {
                out.put_slice(&shape.text[from..end]);
                out.put_slice(&self.id);
                from = end;
            }
            begin = end;
        }
        out.put_slice(&shape.text[from..begin]);
    }
}

/// The shapes that were met last.
#[derive(Debug, Default)]
pub struct Shapes(VecDeque<Arc<Shape>>);

impl Shapes {
    /// Keeps a text in which that id stands often.
    pub fn condense(&mut self, text: &[u8], id: &str) -> Condensed {
        let new = Shape::of(text, id.as_bytes());
        let mut shapes = self.0.iter().enumerate();
        let alike = shapes.find_map(|(place, shape)| Some((place, new.differences(shape)?)));
        let known = alike.and_then(|(place, own)| Some((self.0.remove(place)?, own)));
        let (shape, own) = known.unwrap_or_else(|| (Arc::new(new), Box::default()));
        self.0.truncate(SHAPES - 1);
        self.0.push_front(shape.clone());
        Condensed { shape, id: id.as_bytes().into(), own, length: text.len() }
    }
}

impl Shape {
    fn of(text: &[u8], id: &[u8]) -> Self {
        let (mut kept, mut pieces) = (Vec::with_capacity(text.len()), Vec::new());
        let mut left = text;
        while let Some(&byte) = left.first() {
            let id_follows = !id.is_empty() && left.starts_with(id);
            if id_follows {
                left = &left[id.len()..];
            } else {
                kept.push(byte);
                left = &left[1..];
            }
            if id_follows || left.is_empty() || matches!(byte, b'\n' | b',') {
                pieces.push(Piece { end: kept.len() as u32, id_follows });
            }
        }
        Self { text: kept.into(), pieces: pieces.into() }
    }

    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.pieces.iter().map(|piece| piece.end as usize));
        starts.zip(&self.pieces).map(|(start, piece)| &self.text[start..piece.end as usize])
    }

    /// The pieces that the other has otherwise, if it is much the same.
    fn differences(&self, other: &Self) -> Option<Box<[Own]>> {
        let mut pairs = self.pieces.iter().zip(&other.pieces);
        if self.pieces.len() != other.pieces.len() || pairs.any(|(a, b)| a.id_follows != b.id_follows) {
            return None;
        }
        let most = self.pieces.len() / LEAST_ALIKE;
        let pairs = (0..).zip(self.texts().zip(other.texts()));
        let own = pairs.filter(|(_, (mine, others))| mine != others).map(|(at, (mine, _))| (at, mine.into()));
        let own: Vec<Own> = own.take(most + 1).collect();
        (own.len() <= most).then(|| own.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(condensed: &Condensed) -> String {
        let mut out = BytesMut::new();
        condensed.put(&mut out);
        assert_eq!(out.len(), condensed.len());
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn vm(id: &str, name: &str) -> String {
        format!(
            "<vm href='/vms/{id}' id='{id}'>\n <name>{name}</name>\n <a/>\n <b/>\n <link href='/vms/{id}/c'/>\n</vm>\n"
        )
    }

    #[test]
    fn texts_that_are_alike_share_their_shape() {
        let mut shapes = Shapes::default();
        let one = shapes.condense(vm("11", "one").as_bytes(), "11");
        let other = shapes.condense(vm("22", "another").as_bytes(), "22");
        assert!(Arc::ptr_eq(&one.shape, &other.shape));
        assert_eq!(other.own.len(), 1);
        assert_eq!((written(&one), written(&other)), (vm("11", "one"), vm("22", "another")));
        for lines in 0..2 * SHAPES {
            shapes.condense("\n".repeat(lines).as_bytes(), "11");
            let next = shapes.condense(vm("44", "next").as_bytes(), "44");
            assert!(Arc::ptr_eq(&one.shape, &next.shape), "{lines}");
        }
        let different = shapes.condense(b"{\"id\":\"33\",\"x\":1}", "33");
        assert!(!Arc::ptr_eq(&one.shape, &different.shape));
        assert_eq!(written(&different), "{\"id\":\"33\",\"x\":1}");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(texts in prop::collection::vec("[ab,\n1]{0,40}", 1..20), id in "1{0,2}") {
            let mut shapes = Shapes::default();
            let kept: Vec<Condensed> = texts.iter().map(|it| shapes.condense(it.as_bytes(), &id)).collect();
            for (text, kept) in texts.iter().zip(&kept) {
                prop_assert_eq!(text, &written(kept));
            }
        }
    }
}
