//! The engine for base64 of more than a few octets: standard alphabet, strict about padding.
//!
//! The value of `b=` has 344 characters for an RSA key of 2048 bits. Where the processor has vector instructions for it, they are used; elsewhere,
//! and for short texts, the same crate works by words. Results are the same.

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
pub(crate) use vectors::standard;
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
pub(crate) use words::standard;

#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
mod vectors {
    use std::sync::LazyLock;

    use base64::engine::Simd;
    use base64::engine::general_purpose::PAD;

    /// The engine.
    pub(crate) fn standard() -> &'static Simd {
        static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
        &ENGINE
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
mod words {
    use base64::engine::GeneralPurpose;
    use base64::engine::general_purpose::STANDARD;

    /// The engine.
    pub(crate) fn standard() -> &'static GeneralPurpose {
        &STANDARD
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::standard;

    proptest! {
        #[test]
        fn results_are_those_of_the_plain_engine(
            octets in proptest::collection::vec(any::<u8>(), 0..600),
            place in any::<proptest::sample::Index>(),
            octet in any::<u8>(),
        ) {
            let text = STANDARD.encode(&octets);
            prop_assert_eq!(standard().encode(&octets), &*text);
            prop_assert_eq!(standard().decode(&text), Ok(octets));
            let mut damaged = text.into_bytes();
            if !damaged.is_empty() {
                let place = place.index(damaged.len());
                damaged[place] = octet;
                prop_assert_eq!(standard().decode(&damaged), STANDARD.decode(&damaged));
                damaged.truncate(place);
                prop_assert_eq!(standard().decode(&damaged), STANDARD.decode(&damaged));
            }
        }
    }
}
