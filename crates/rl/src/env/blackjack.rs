//! # Blackjack
//!
//! Draw cards towards 21 and not over it, against a dealer who draws to 17 by rule. Cards come from an infinite deck: every draw is
//! A 2 3 … 10 J Q K with equal chance, an ace counts 11 where that does not go over.
//!
//! ```text
//!   dealer   ┌──┐┌──┐        r = +1 won, 0 drawn, −1 lost; all of it at the end
//!            │ 9││▒▒│        natural (ace and ten at once): 1.5 with `natural`,
//!            └──┘└──┘        a sure win against anything but another with `sutton_barto`
//!   you      ┌──┐┌──┐
//!            │ A││ 6│  17, usable ace
//!            └──┘└──┘
//! ```
//!
//! | | |
//! |---|---|
//! | observation | the player's sum (4 to 31), the dealer's card (1 to 10), usable ace (0 or 1) |
//! | action | 0 stick, 1 hit |
//! | terminated | after sticking, or over 21 |
//! | truncated | never |
//!
//! R. S. Sutton, A. G. Barto, *Reinforcement Learning: An Introduction*, 2nd edition, example 5.1.
//! <http://incompleteideas.net/book/the-book-2nd.html>
//!
//! Equal to Gymnasium's `Blackjack-v1` (registered with the book's rules), including the draws it spends on the suit of the
//! dealer's card. With [`reset_with`](Blackjack::reset_with) and [`step_with`](Blackjack::step_with) the caller deals.
//!
//! ```
//! use fornax_rl::env::Env;
//! use fornax_rl::env::blackjack::Blackjack;
//!
//! let mut table = Blackjack::sutton_barto();
//! let mut cards = [9, 7, 1, 6].into_iter(); // dealer 9 and 7, player ace and 6
//! assert_eq!(table.reset_with(|| cards.next().unwrap()), [17, 9, 1]);
//! let (hand, outcome) = table.step_with(0, || 10)?; // stick; the dealer has 16, draws a ten and is over
//! assert_eq!((hand, outcome.reward, outcome.terminated), ([17, 9, 1], 1.0, true));
//! # Ok::<(), fornax_rl::EnvError>(())
//! ```

use serde::{Deserialize, Serialize};

use super::{Action, Env, Outcome, choice, needs_reset, saved_by_serde, write};
use crate::error::EnvError;
use crate::random::Pcg64;
use crate::space::Space;

/// The table; see the [module page](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blackjack {
    /// Winning with a natural pays 1.5.
    natural: bool,
    /// A natural wins against anything but another; `natural` does not count then.
    sutton_barto: bool,
    player: Vec<u8>,
    dealer: Vec<u8>,
    running: bool,
    rng: Pcg64,
}

/// The hand's sum and whether an ace counts 11 in it.
fn count(hand: &[u8]) -> (u32, bool) {
    let sum: u32 = hand.iter().map(|&card| u32::from(card)).sum();
    if hand.contains(&1) && sum + 10 <= 21 { (sum + 10, true) } else { (sum, false) }
}

/// An ace and a ten.
fn is_natural(hand: &[u8]) -> bool {
    matches!(hand, [1, 10] | [10, 1])
}

/// A card from the infinite deck.
fn card(rng: &mut Pcg64) -> u8 {
    (rng.below(13) as u8 + 1).min(10)
}

impl Blackjack {
    fn with_rules(natural: bool, sutton_barto: bool) -> Self {
        let (player, dealer) = (Vec::new(), Vec::new());
        Self { natural, sutton_barto, player, dealer, running: false, rng: Pcg64::new(0) }
    }

    /// The rules of the book, and of Gymnasium's registration.
    pub fn sutton_barto() -> Self {
        Self::with_rules(false, true)
    }

    /// No privilege for a natural, or 1.5 for it when `natural`.
    pub fn casino(natural: bool) -> Self {
        Self::with_rules(natural, false)
    }

    /// Sum, dealer's card and usable ace.
    fn hand(&self) -> [u32; 3] {
        let (sum, ace) = count(&self.player);
        [sum, self.dealer.first().copied().unwrap_or(0).into(), ace.into()]
    }

    /// Begins a game with cards from `deal`: two for the dealer, the first face up, then two for the player. Cards are 1 (ace) to 10.
    pub fn reset_with(&mut self, mut deal: impl FnMut() -> u8) -> [u32; 3] {
        self.dealer = vec![deal(), deal()];
        self.player = vec![deal(), deal()];
        self.running = true;
        self.hand()
    }

    /// Takes `action` with cards from `deal`. Returns sum, dealer's card and usable ace, and the outcome.
    ///
    /// # Errors
    ///
    /// [`EnvError`] as from [`Env::step`].
    pub fn step_with(
        &mut self,
        action: usize,
        mut deal: impl FnMut() -> u8,
    ) -> Result<([u32; 3], Outcome), EnvError> {
        let hit = choice(self.name(), Action::Discrete(action), 2)? == 1;
        if !self.running {
            return Err(needs_reset(self.name()));
        }
        let (mut reward, mut terminated) = (0.0, false);
        if hit {
            self.player.push(deal());
            if count(&self.player).0 > 21 {
                (reward, terminated) = (-1.0, true);
            }
        } else {
            // Cards below 1 do not exist; a dealer who is dealt them would draw for ever.
            while count(&self.dealer).0 < 17 {
                self.dealer.push(deal().max(1));
            }
            let score = |hand: &[u8]| Some(count(hand).0).filter(|&sum| sum <= 21).unwrap_or(0);
            let (ours, theirs) = (score(&self.player), score(&self.dealer));
            reward = f64::from(u8::from(ours > theirs)) - f64::from(u8::from(ours < theirs));
            terminated = true;
            if is_natural(&self.player) {
                if self.sutton_barto && !is_natural(&self.dealer) {
                    reward = 1.0;
                } else if !self.sutton_barto && self.natural && reward == 1.0 {
                    reward = 1.5;
                }
            }
        }
        self.running = !terminated;
        Ok((self.hand(), Outcome { reward, terminated, truncated: false }))
    }
}

impl Env for Blackjack {
    fn name(&self) -> &str {
        "Blackjack-v1"
    }

    fn observation_space(&self) -> Space {
        Space::MultiDiscrete(vec![32, 11, 2])
    }

    fn action_space(&self) -> Space {
        Space::Discrete(2)
    }

    fn reset_into(&mut self, seed: Option<u64>, observation: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = seed.map_or_else(|| self.rng.clone(), Pcg64::new);
        let hand = self.reset_with(|| card(&mut rng));
        // Gymnasium draws a suit for the picture of the dealer's card, and for a ten whether it is a jack, queen or king.
        rng.below(4);
        if hand[1] == 10 {
            rng.below(3);
        }
        self.rng = rng;
        write(self.name(), &hand.map(|x| x as f32), observation)
    }

    fn step_into(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Outcome, EnvError> {
        let action = choice(self.name(), action, 2)?;
        let mut rng = self.rng.clone();
        let (hand, outcome) = self.step_with(action, || card(&mut rng))?;
        self.rng = rng;
        write(self.name(), &hand.map(|x| x as f32), observation)?;
        Ok(outcome)
    }

    fn text(&self) -> Option<String> {
        let cards = |hand: &[u8]| {
            hand.iter()
                .map(|&c| if c == 1 { "A".to_owned() } else { c.to_string() })
                .collect::<Vec<_>>()
                .join(" ")
        };
        let [sum, _, ace] = self.hand();
        let hidden =
            if self.running { "?".to_owned() } else { cards(self.dealer.get(1..).unwrap_or_default()) };
        let shown = cards(self.dealer.get(..1).unwrap_or_default());
        let ace = if ace == 1 { ", usable ace" } else { "" };
        Some(format!("dealer {shown} {hidden}\nplayer {} = {sum}{ace}", cards(&self.player)))
    }

    saved_by_serde!();
}
