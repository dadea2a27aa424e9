//! Random app names in Heroku's manner: `quiet-harbor-48213`.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::model::AppName;

const ADJECTIVES: [&str; 16] = [
    "amber", "brisk", "calm", "clear", "deep", "early", "fair", "gentle", "high", "keen", "lucid", "mellow", "quiet", "sturdy",
    "swift", "warm",
];
const NOUNS: [&str; 16] = [
    "anchor", "beacon", "bridge", "brook", "canyon", "crane", "field", "harbor", "island", "lantern", "meadow", "orchard",
    "pier", "ridge", "river", "sail",
];

/// Makes a name. Clashes are improbable, and refused by the database like any other taken name.
pub(super) fn random() -> AppName {
    let mut bytes = [0; 6];
    SystemRandom::new().fill(&mut bytes).expect("the kernel gives random bytes");
    let pick = |words: &[&'static str; 16], byte: u8| words[usize::from(byte % 16)];
    let number = u32::from_be_bytes([0, bytes[2], bytes[3], bytes[4]]) % 100_000;
    format!("{}-{}-{number:05}", pick(&ADJECTIVES, bytes[0]), pick(&NOUNS, bytes[1]))
        .parse()
        .expect("words and digits make a name")
}
