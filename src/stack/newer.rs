//! Which stack takes another one's place.

use crate::model::StackName;

/// The stack that whoever is on `name` should go to, if it is among those `installed`: the one that was `told`, or else, of
/// those that are called alike but for a higher number, as debian-12 and debian-13, the one with the highest.
#[must_use]
pub fn newer(name: &StackName, told: Option<&StackName>, installed: &[StackName]) -> Option<StackName> {
    if let Some(told) = told {
        return installed.iter().find(|stack| *stack == told && *stack != name).cloned();
    }
    let (family, number) = family(name)?;
    let of_family = |stack: &&StackName| self::family(stack).is_some_and(|(other, higher)| other == family && higher > number);
    installed.iter().filter(of_family).max_by_key(|stack| self::family(stack)).cloned()
}

/// `debian-12` is of the family `debian`, the twelfth.
fn family(name: &StackName) -> Option<(&str, u32)> {
    let (family, number) = name.as_str().rsplit_once('-')?;
    Some((family, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_wins_over_what_is_called_alike() {
        let installed =
            ["debian-12", "debian-9", "debian-13", "debian-14-slim", "ubuntu-99", "mine"].map(|name| name.parse().unwrap());
        let newer = |name: &str, told: Option<&str>| {
            let told = told.map(|told| told.parse().unwrap());
            newer(&name.parse().unwrap(), told.as_ref(), &installed).map(|stack| stack.to_string())
        };
        assert_eq!(newer("debian-12", None).as_deref(), Some("debian-13"));
        assert_eq!(newer("debian-9", None).as_deref(), Some("debian-13"), "numbers, not letters");
        assert_eq!(newer("debian-12", Some("mine")).as_deref(), Some("mine"));
        for (name, told) in
            [("debian-13", None), ("mine", None), ("container", None), ("mine", Some("mine")), ("debian-12", Some("gone"))]
        {
            assert_eq!(newer(name, told), None, "{name}");
        }
    }
}
