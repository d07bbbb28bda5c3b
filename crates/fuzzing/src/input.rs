//! A cursor that turns fuzz input into choices. When the input is used up it gives zeros, so that every input is a whole case.

pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.u16()) % bound
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[usize::from(self.byte()) % of.len()]
    }

    /// At most `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind a byte that says how many.
    pub(crate) fn field(&mut self) -> &'a [u8] {
        let n = usize::from(self.byte());
        self.take(n)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// `bytes` in pieces whose lengths follow from `seed`, many of them short.
pub(crate) fn pieces(bytes: &[u8], seed: u16) -> Vec<&[u8]> {
    let (mut rest, mut state, mut pieces) = (bytes, u32::from(seed) | 1, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match state >> 28 {
            0..8 => 1 + (state >> 24 & 3) as usize,
            8..14 => 1 + (state >> 20 & 63) as usize,
            _ => 1 + (state >> 16 & 1023) as usize,
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// The bytes with one of them changed, as the next four bytes of the input say; `false` if none is.
pub(crate) fn mutate(bytes: &mut [u8], input: &mut Input<'_>) -> bool {
    let (at, flip) = (input.below(bytes.len().max(1)), input.byte());
    match bytes.get_mut(at) {
        Some(byte) if flip != 0 => {
            *byte ^= flip;
            true
        }
        _ => false,
    }
}
