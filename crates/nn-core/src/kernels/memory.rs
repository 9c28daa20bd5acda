//! Memory for results and for what is in between.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use rayon::prelude::*;

/// `len` numbers in parts of `size`, the last maybe of fewer, each zero before `run` is given its place and it: side by side, a thread
/// having what `init` makes for several of them, and at least `least` of them.
#[allow(
    unsafe_code,
    reason = "a part is set to zero by who works on it, while all of it is in a core's cache"
)]
pub(super) fn parts<T>(
    [len, size, least]: [usize; 3],
    init: impl Fn() -> T + Sync + Send,
    run: impl Fn(&mut T, usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    let parts = numbers.spare_capacity_mut()[..len].par_chunks_mut(size.max(1)).enumerate();
    parts.with_min_len(least.max(1)).for_each_init(init, |state, (place, part)| {
        for number in &mut *part {
            number.write(0.0_f32);
        }
        // SAFETY: each of the part's numbers has just been written, and a number that may not be has the layout of one.
        let part = unsafe { &mut *(std::ptr::from_mut::<[MaybeUninit<f32>]>(part) as *mut [f32]) };
        run(state, place, part);
    });
    // SAFETY: the parts are all of the first `len` numbers, and each of them has been written.
    unsafe { numbers.set_len(len) };
    numbers
}

/// Memory that a thread keeps: to ask the system for it each time takes longer than to fill it. What stands in it is of no meaning.
pub(super) fn scratch<R>(sizes: [usize; 2], run: impl FnOnce([&mut [f32]; 2]) -> R) -> R {
    thread_local! {
        static KEPT: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
    }
    // Taken out: a thread that waits for others may do another such job meanwhile.
    let mut kept = KEPT.take();
    for (space, size) in kept.iter_mut().zip(sizes) {
        if space.len() < size {
            space.resize(size, 0.0);
        }
    }
    let [first, second] = &mut kept;
    let result = run([&mut first[..sizes[0]], &mut second[..sizes[1]]]);
    KEPT.set(kept);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_in_order_and_begin_with_zeros() {
        let found = parts([6, 2, 1], || 10.0, |ten, place, part| part[1] += *ten + place as f32);
        assert_eq!(found, [0.0, 10.0, 0.0, 11.0, 0.0, 12.0]);
        assert!(parts([0, 2, 1], || (), |(), _, _| panic!("no part")).is_empty());
        assert_eq!(parts([3, 2, 9], || (), |(), _, part| part[0] = part.len() as f32), [2.0, 0.0, 1.0]);
    }

    #[test]
    fn a_thread_may_ask_again_while_it_uses_what_it_has() {
        let found = scratch([2, 0], |[outer, _]| {
            outer.fill(1.0);
            scratch([2, 1], |[inner, last]| {
                inner.fill(2.0);
                last.fill(3.0);
            });
            outer.to_vec()
        });
        assert_eq!(found, [1.0, 1.0]);
    }
}
