//! Random names in Heroku's manner, `postgresql-flat-02648`, and passwords.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::model::{AddonName, Secret, Service};

const SHAPES: [&str; 32] = [
    "acute",
    "angular",
    "animate",
    "asymmetrical",
    "clean",
    "clear",
    "concave",
    "concentric",
    "contoured",
    "convex",
    "crystalline",
    "cubed",
    "curly",
    "curved",
    "cylindrical",
    "deep",
    "dimensional",
    "elliptical",
    "fitted",
    "flat",
    "flexible",
    "globular",
    "graceful",
    "horizontal",
    "infinite",
    "lively",
    "opaque",
    "parallel",
    "rigid",
    "round",
    "shallow",
    "tapered",
];
const PASSWORD_BYTES: usize = 32;

/// Makes an add-on's name. Clashes are improbable, and refused by the database like any other taken name.
#[must_use]
pub fn addon_name(service: Service) -> AddonName {
    let [shape, high, middle, low] = random();
    let shape = SHAPES[usize::from(shape) % SHAPES.len()];
    let number = u32::from_be_bytes([0, high, middle, low]) % 100_000;
    format!("{}-{shape}-{number:05}", service.word()).parse().expect("words and digits make a name")
}

/// Makes a password of hex digits, which no address and no command has to escape.
pub(super) fn password() -> Secret {
    Secret::new(hex::encode(random::<PASSWORD_BYTES>()))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_a_word_a_shape_and_a_number() {
        let name = addon_name(Service::Redis).to_string();
        let parts: Vec<_> = name.split('-').collect();
        assert!(matches!(parts[..], ["redis", shape, number] if SHAPES.contains(&shape) && number.len() == 5), "{name}");
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(password(), password());
        assert_eq!(password().expose().len(), 2 * PASSWORD_BYTES);
    }
}
