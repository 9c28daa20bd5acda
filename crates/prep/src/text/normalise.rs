//! One way to write what can be written in many.

use serde::{Deserialize, Serialize};
use tokenizers::normalizers::{
    Lowercase, NFC, NFD, NFKC, NFKD, Replace, Sequence, Strip, StripAccents, replace::ReplacePattern,
};
use tokenizers::{NormalizedString, Normalizer as _, NormalizerWrapper};

/// Unicode's four ways to write the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnicodeForm {
    /// Composed: é is one code point.
    Nfc,
    /// Decomposed: é is e and a combining accent.
    Nfd,
    /// Composed, and what only looks different folded: ﬁ → fi, ² → 2, ｗｉｄｅ → wide.
    Nfkc,
    /// Decomposed and folded.
    Nfkd,
}

/// What happens to white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhiteSpace {
    /// Nothing.
    #[default]
    Keep,
    /// None at either end.
    Trim,
    /// Every stretch of it becomes one space, and none is left at either end.
    Collapse,
}

/// What is done to a text before it is cut into tokens; pure data.
///
/// The steps in their order: Unicode form, accents, case, white space. Each shrinks the vocabulary and loses
/// what it folds. It becomes part of a tokeniser and of its file, because a text that is normalised in
/// training and not in use is another text.
///
/// ```
/// use fornax_prep::text::{Normaliser, UnicodeForm, WhiteSpace};
///
/// let normaliser = Normaliser {
///     unicode: Some(UnicodeForm::Nfc),
///     strip_accents: true,
///     lower_case: true,
///     white_space: WhiteSpace::Collapse,
/// };
/// assert_eq!(normaliser.apply(" Ünïted \t Kingdom "), "united kingdom");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Normaliser {
    /// The Unicode form. Default: as it comes.
    pub unicode: Option<UnicodeForm>,
    /// Removes combining marks after decomposition: é → e, but also й → и and the vowel signs of many
    /// scripts. Default: no.
    pub strip_accents: bool,
    /// Lower case, letter by letter. Default: no.
    pub lower_case: bool,
    /// White space. Default: as it comes.
    pub white_space: WhiteSpace,
}

impl Normaliser {
    /// Decomposed, without accents, lower case, as for BERT's uncased models. Their own normaliser also drops control
    /// characters and sets Chinese ones apart; a file that names it does so here too.
    pub fn uncased() -> Self {
        Self {
            unicode: Some(UnicodeForm::Nfd),
            strip_accents: true,
            lower_case: true,
            white_space: WhiteSpace::Keep,
        }
    }

    /// The normalised text.
    pub fn apply(&self, text: &str) -> String {
        if *self == Self::default() {
            return text.to_owned();
        }
        let mut normalized = NormalizedString::from(text);
        for step in self.unicode_steps() {
            // Steps that match no pattern have nothing to fail on.
            let done = step.normalize(&mut normalized);
            debug_assert!(done.is_ok());
        }
        match self.white_space {
            WhiteSpace::Keep => normalized.get().to_owned(),
            WhiteSpace::Trim => normalized.get().trim().to_owned(),
            WhiteSpace::Collapse => normalized.get().split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    fn unicode_steps(&self) -> Vec<NormalizerWrapper> {
        let form = |form: UnicodeForm| match form {
            UnicodeForm::Nfc => NormalizerWrapper::NFC(NFC),
            UnicodeForm::Nfd => NormalizerWrapper::NFD(NFD),
            UnicodeForm::Nfkc => NormalizerWrapper::NFKC(NFKC),
            UnicodeForm::Nfkd => NormalizerWrapper::NFKD(NFKD),
        };
        let mut steps = Vec::new();
        if self.strip_accents {
            // Accents can be removed only where they stand apart.
            let apart = match self.unicode {
                Some(UnicodeForm::Nfkc | UnicodeForm::Nfkd) => UnicodeForm::Nfkd,
                _ => UnicodeForm::Nfd,
            };
            steps.extend([form(apart), NormalizerWrapper::StripAccents(StripAccents)]);
            if matches!(self.unicode, Some(UnicodeForm::Nfc | UnicodeForm::Nfkc)) {
                steps.push(form(UnicodeForm::Nfc));
            }
        } else {
            steps.extend(self.unicode.map(form));
        }
        if self.lower_case {
            steps.push(NormalizerWrapper::Lowercase(Lowercase));
        }
        steps
    }

    /// The same as a part of a tokeniser's file.
    pub(super) fn to_wrapper(self) -> tokenizers::Result<Option<NormalizerWrapper>> {
        let mut steps = self.unicode_steps();
        if self.white_space == WhiteSpace::Collapse {
            let pattern = ReplacePattern::Regex(r"\s+".to_owned());
            steps.push(NormalizerWrapper::Replace(Replace::new(pattern, " ")?));
        }
        if self.white_space != WhiteSpace::Keep {
            steps.push(NormalizerWrapper::StripNormalizer(Strip::new(true, true)));
        }
        Ok(match steps.len() {
            0 => None,
            1 => steps.pop(),
            _ => Some(NormalizerWrapper::Sequence(Sequence::new(steps))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(unicode: UnicodeForm) -> Normaliser {
        Normaliser { unicode: Some(unicode), ..Default::default() }
    }

    #[test]
    fn the_four_forms_are_those_of_the_standard() {
        // Unicode Standard Annex 15, figures 3 to 6.
        let rows = [
            ("Å", "\u{c5}", "A\u{30a}", "\u{c5}", "A\u{30a}"),
            ("ﬁ", "ﬁ", "ﬁ", "fi", "fi"),
            ("2⁵", "2⁵", "2⁵", "25", "25"),
            ("ſ\u{323}\u{307}", "ẛ\u{323}", "ſ\u{323}\u{307}", "ṩ", "s\u{323}\u{307}"),
            ("한", "한", "\u{1112}\u{1161}\u{11ab}", "한", "\u{1112}\u{1161}\u{11ab}"),
        ];
        for (text, nfc, nfd, nfkc, nfkd) in rows {
            assert_eq!(only(UnicodeForm::Nfc).apply(text), nfc, "{text}");
            assert_eq!(only(UnicodeForm::Nfd).apply(text), nfd, "{text}");
            assert_eq!(only(UnicodeForm::Nfkc).apply(text), nfkc, "{text}");
            assert_eq!(only(UnicodeForm::Nfkd).apply(text), nfkd, "{text}");
        }
    }

    #[test]
    fn accents_case_and_white_space_are_folded_as_asked() {
        let strip = Normaliser { strip_accents: true, ..Default::default() };
        assert_eq!(strip.apply("Ťř naïve й"), "Tr naive и");
        let composed = Normaliser { unicode: Some(UnicodeForm::Nfc), ..strip };
        assert_eq!(composed.apply("가é"), "가e");
        assert_eq!(Normaliser { lower_case: true, ..Default::default() }.apply("ΑΣ İ"), "ασ i\u{307}");
        let trim = Normaliser { white_space: WhiteSpace::Trim, ..Default::default() };
        assert_eq!(trim.apply("\u{3000} a  b\n"), "a  b");
        let collapse = Normaliser { white_space: WhiteSpace::Collapse, ..Default::default() };
        assert_eq!(collapse.apply("\u{a0}a \t\r\n b\u{2003}"), "a b");
        assert_eq!(Normaliser::default().apply(" É "), " É ");
    }

    #[test]
    fn applied_alone_and_within_a_tokeniser_it_does_the_same() {
        let text = "\u{85} Ünï\u{301}ted\u{2028}\u{2029} ﬁ ² İ\u{1f} ﷺ\u{b}나 \u{feff}z ";
        for unicode in [None, Some(UnicodeForm::Nfc), Some(UnicodeForm::Nfkd), Some(UnicodeForm::Nfkc)] {
            for (strip_accents, lower_case) in [(false, true), (true, false), (true, true)] {
                for white_space in [WhiteSpace::Keep, WhiteSpace::Trim, WhiteSpace::Collapse] {
                    let normaliser = Normaliser { unicode, strip_accents, lower_case, white_space };
                    let mut normalized = NormalizedString::from(text);
                    let wrapper = normaliser.to_wrapper().unwrap().unwrap();
                    wrapper.normalize(&mut normalized).unwrap();
                    assert_eq!(normaliser.apply(text), normalized.get(), "{normaliser:?}");
                }
            }
        }
    }
}
