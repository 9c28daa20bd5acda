#![no_main]
//! Tokenisers' files: what can be read must also cut, put together and be written, without a panic.

use fornax_prep::text::Tokenizer;
use libfuzzer_sys::fuzz_target;

#[path = "../support.rs"]
mod support;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tokenizer) = Tokenizer::from_json(bytes, &support::limits()) else { return };
    for text in ["", "a", "the lower e\u{301} 世界\0 <unk> don't  x\n"] {
        if let Ok(ids) = tokenizer.encode(text) {
            let _ = tokenizer.decode(&ids);
        }
        let _ = tokenizer.pieces(text);
    }
    let _ = tokenizer.to_json();
});
