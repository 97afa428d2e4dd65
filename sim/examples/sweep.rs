//! Plays seeds on one thread and tells what they came to.
//!
//! ```text
//! cargo run -p tidegate-sim --example sweep -- [COUNT] [FIRST]
//! ```

use tidegate_sim::{Options, Sweep, Tally};

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().expect("a number"));
    let (count, first) = (words.next().unwrap_or(100), words.next().unwrap_or(1));
    let sweep = Sweep::new(first, count, Options::default());
    let mut tally = Tally::default();
    while let Some(played) = sweep.play_next() {
        if !played.verdict.is_kept() {
            println!("{played}\n");
        }
        tally.add(played);
    }
    println!("{tally}\n{}", tally.coverage);
}
