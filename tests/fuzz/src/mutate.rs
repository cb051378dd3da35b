//! The seeded mutator: good bytes with bits flipped, parts cut, doubled and spliced. The same seed gives the same bytes.

/// Pieces that change meaning where they land.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"\\ud800",
    b"<",
    b"/>",
    b"&#0;",
    b"<![CDATA[",
    b"-1",
    b"99999999999",
    b"descendants()",
    b"\x00",
    b"\x18\x01",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b",
    b"\x80",
    b"\x9f",
    b"\xff",
];

/// Most changes to one example; with more nothing is read far.
const CHANGES_MAX: usize = 6;
/// Most bytes one change takes from another place.
const SPLICE_BYTES_MAX: usize = 128;

/// Numbers from a seed (splitmix64).
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `most`, 0 where there is none.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }
}

/// One example of `corpus`, changed in one to six places.
pub fn mutant(corpus: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = corpus[numbers.below(corpus.len())].clone();
    for _ in 0..1 + numbers.below(CHANGES_MAX) {
        let at = numbers.below(bytes.len());
        match numbers.below(7) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            2 if !bytes.is_empty() => bytes[at] = numbers.below(256) as u8,
            3 => drop(bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].iter().copied())),
            4 => {
                let other = &corpus[numbers.below(corpus.len())];
                let from = numbers.below(other.len());
                let part = &other[from..(from + numbers.below(SPLICE_BYTES_MAX)).min(other.len())];
                drop(bytes.splice(at..at, part.iter().copied()));
            }
            5 => {
                let end = (at + numbers.below(SPLICE_BYTES_MAX)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            _ => {
                let end = (at + numbers.below(SPLICE_BYTES_MAX)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                drop(bytes.splice(to..to, part));
            }
        }
    }
    bytes
}
